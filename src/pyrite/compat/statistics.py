"""What the stand-in tells its user: counts, scores of positives and negatives, what the filters took."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pyrite.compat.arguments import Arguments
from pyrite.compat.pairs import Pairs
from pyrite.compat.selection import Chosen
from pyrite.compat.shapes import most_rows

__all__ = ["lines"]

_MEASURES = ("Mean", "Median", "Std", "Min", "25%", "50%", "75%", "Max")
_WIDE = "{:<6} {:>14} {:>14} {:>14}"
_TUNABLE = ("range_max", "range_min", "absolute_margin", "relative_margin", "max_score", "min_score")


def lines(pairs: Pairs, chosen: Chosen, arguments: Arguments, rows: int) -> Iterator[str]:
    """Yield the lines of the statistics.

    Args:
        pairs: What was asked for.
        chosen: What was found.
        arguments: How.
        rows: Rows of the output.
    """
    negatives, differences = _expanded(pairs, chosen, arguments)
    columns = [chosen.positive_scores, negatives, differences]
    yield _WIDE.format("Metric", "Positive", "Negative", "Difference")
    yield _WIDE.format("Count", f"{len(columns[0]):,}", f"{len(negatives):,}", "")
    values = zip(*(_measures(column) for column in columns), strict=True)
    for name, row in zip(_MEASURES, values, strict=True):
        yield _WIDE.format(name, *row)
    for name, (skipped, candidates) in chosen.skipped.items():
        yield (
            f"Skipped {skipped:,} potential negatives ({skipped / candidates:.2%}) due to the {name} of "
            f"{getattr(arguments, name)}."
        )
    missing = most_rows(pairs, arguments) - rows
    if missing > 0:
        share = missing / most_rows(pairs, arguments)
        yield f"Could not find enough negatives for {missing} samples ({share:.2%}). {_advice(arguments)}"


def _expanded(pairs: Pairs, chosen: Chosen, arguments: Arguments) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of negatives, once for each positive of their query, and what they lie below it."""
    scores, there = chosen.scores[pairs.owners], chosen.found[pairs.owners]
    if arguments.output_format == "n-tuple":
        there &= there.all(axis=1, keepdims=True)
    below = chosen.positive_scores[:, None] - scores
    return scores[there], below[there]


def _measures(values: np.ndarray) -> list[str]:
    if len(values) == 0:
        return ["-"] * len(_MEASURES)
    numbers = values.astype(np.float64)
    low, middle, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    # The lower of two middle values, and the deviation of a sample, as torch takes them.
    median = np.partition(numbers, (len(numbers) - 1) // 2)[(len(numbers) - 1) // 2]
    deviation = numbers.std(ddof=1) if len(numbers) > 1 else np.nan
    row = (numbers.mean(), median, deviation, numbers.min(), low, middle, high, numbers.max())
    return [f"{value:.4f}" for value in row]


def _advice(arguments: Arguments) -> str:
    """Say which arguments could be loosened: those that bind."""
    binding = {"range_max": True, "range_min": arguments.range_min > 0}
    names = [name for name in _TUNABLE if binding.get(name, getattr(arguments, name) is not None)]
    listed = " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
    return f"Consider adjusting the {listed} parameter{'s' * (len(names) > 1)} if you want more of them."
