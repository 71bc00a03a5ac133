"""Scores of several trainings of a system: kept once they are there, and compared."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pyrite.data import QueryScores
from pyrite.eval import compare
from pyrite.eval.compare import average_seeds

__all__ = ["kept", "told"]


def kept(home: Path, compute: Callable[[], QueryScores]) -> QueryScores:
    """Return scores that lie in a folder, or compute them and put them there, whole or not at all.

    Args:
        home: The folder. What a training left in `home / "training"` is deleted once the scores are there.
        compute: Called where there are none.
    """
    done, partial = home / "scores", home / "scores.partial"
    if not done.is_dir():
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        compute().save(partial)
        partial.rename(done)
        shutil.rmtree(home / "training", ignore_errors=True)
    return QueryScores.open(done)


def told(scores: Mapping[str, Sequence[QueryScores]], pairs: Sequence[tuple[str, str]], measure: str) -> Sequence[str]:
    """Say in a line each what the arms reached, and how they differ, with 95 % intervals over the queries.

    Args:
        scores: {arm: the scores of each seed}; each table's system is its arm.
        pairs: (arm, the arm it is compared with).
        measure: What was measured.
    """
    averages = {arm: average_seeds(tables) for arm, tables in scores.items()}
    lines = []
    for arm, tables in scores.items():
        single = ", ".join(f"{table.means()[measure]:.4f}" for table in tables)
        lines.append(f"{arm}: {averages[arm].means()[measure]:.4f} (by seed: {single})")
    for row in compare(list(averages.values()), pairs, [measure]).rows():
        verdict = "inconclusive" if row.low <= 0 <= row.high else "a difference"
        lines.append(f"{row.a} - {row.b}: {row.delta:+.4f} [{row.low:+.4f}, {row.high:+.4f}], p {row.p:.4f}: {verdict}")
    return lines
