"""How the scores of positives, candidates and negatives are spread, one scorer to a plot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.report.plots import ScoreGroup, score_plot
from pyrite.report.records import MiningRecord
from pyrite.report.text import count, number, percent

__all__ = ["Distribution", "distributions"]


@dataclass(frozen=True, slots=True)
class Distribution:
    """A plot of one method's scores from one source by one scorer.

    Attributes:
        heading: Method, source and scorer.
        plot: An `<svg>` element.
        note: Medians and, where negatives are known, how many of them reach their query's best positive.
    """

    heading: str
    plot: str
    note: str


def distributions(method: str, record: MiningRecord, prefix: str) -> Iterator[Distribution]:
    """Draw each source of a method by each scorer that scored it.

    Args:
        method: The method's name.
        record: How it mined.
        prefix: What the ids in the plots start with; unique on the page.
    """
    arrow = record.candidates.arrow
    kinds = record.candidates.metadata.get("scorers", {})
    combinations = arrow.group_by(["source", "scorer"], use_threads=False).aggregate([]).to_pylist()
    for place, pair in enumerate(sorted(combinations, key=lambda pair: (pair["source"], pair["scorer"]))):
        source, scorer = pair["source"], pair["scorer"]
        groups = _groups(record, source, scorer)
        if not groups:
            continue
        heading = f"{method}: from {source}, scored by {scorer}" if source != scorer else f"{method}: {source}"
        kind = kinds.get(scorer, "unknown")
        axis = scorer if kind in ("unknown", scorer) else f"{scorer} ({kind})"
        note = _note(groups, _reaching(record, source, scorer))
        plot = score_plot(f"{prefix}-{place}", f"Distribution of scores. {heading}. {note}", groups, axis)
        yield Distribution(heading, plot, note)


def _groups(record: MiningRecord, source: str, scorer: str) -> list[ScoreGroup]:
    candidates = record.candidates.arrow.filter(pc.field("scorer") == scorer)
    positive = candidates.filter(pc.field("is_positive"))
    proposed = candidates.filter((pc.field("source") == source) & ~pc.field("is_positive"))
    positive = positive.group_by(["query_id", "doc_id"]).aggregate([("score", "max")])
    chosen = record.negatives.arrow.filter((pc.field("scorer") == scorer) & (pc.field("source") == source))
    found = (
        ("positive", positive.column("score_max")),
        ("candidate", proposed.column("score")),
        ("negative", chosen.column("score")),
    )
    return [ScoreGroup(role, values) for role, column in found if (values := _finite(column)).size]


def _finite(column: pa.ChunkedArray) -> np.ndarray:
    values: np.ndarray = column.to_numpy()
    return np.sort(values[np.isfinite(values)])


def _reaching(record: MiningRecord, source: str, scorer: str) -> float | None:
    """Return the share of negatives that score at least as high as their query's best positive."""
    chosen = record.negatives.arrow.filter((pc.field("scorer") == scorer) & (pc.field("source") == source))
    if chosen.num_rows == 0:
        return None
    return float(np.mean(chosen.column("score").to_numpy() >= chosen.column("positive_score").to_numpy()))


def _note(groups: list[ScoreGroup], reaching: float | None) -> str:
    medians = ", ".join(
        f"{number(float(np.median(group.values)))} for {count(group.values.size)} {group.role}"
        f"{'' if group.values.size == 1 else 's'}"
        for group in groups
    )
    note = f"Median score {medians}."
    if reaching is not None:
        note += f" {percent(reaching)} of the negatives reach the best positive of their query."
    return note
