"""From sets of negatives to scores and a ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.data import SetRanking, SetScores
from pyrite.data.codes import coded
from pyrite.errors import SettingsError
from pyrite.metrics.quality import source_overlap
from pyrite.recipes.score.material import EncodedTexts, Material
from pyrite.recipes.score.measures import measure_set
from pyrite.recipes.score.ranking import rank_sets
from pyrite.recipes.score.sets import NamedSets
from pyrite.recipes.score.settings import ScoreSettings
from pyrite.settings import Json, canonical_hash

__all__ = ["Scored", "score_sets"]


@dataclass(frozen=True)
class Scored:
    """What came out.

    Attributes:
        scores: Each set, query and measure.
        ranking: Each set and measure, on the common queries.
        facts: {set: {"queries", "without_negatives", "pairs", "sources", "overlap"}}: the overlap is the Jaccard index
            of its pairs with those of the first set of the ranking.
    """

    scores: SetScores
    ranking: SetRanking
    facts: Mapping[str, Json]

    @property
    def rank_by(self) -> str:
        """The measure that orders the sets."""
        return str(self.ranking.metadata["rank_by"])

    def order(self) -> list[str]:
        """Return the sets, the best first."""
        rows = [row for row in self.ranking.rows() if row.measure == self.rank_by]
        return [row.set_name for row in rows]


def score_sets(material: Material, settings: ScoreSettings, encoded: EncodedTexts) -> Scored:
    """Measure sets of negatives and rank them.

    Args:
        material: The sets, and what they are measured with.
        settings: What is measured.
        encoded: Whose vectors the material's are, for the record.

    Raises:
        DataError: The sets have no query in common, or the material does not fit them.
        SettingsError: `rank_by` names no measure that was taken.
    """
    sets = material.sets
    common = sets.common()
    measured = {name: measure_set(groups, material, settings) for name, groups in sets.groups.items()}
    measures = list(next(iter(measured.values())))
    rank_by = settings.rank_by or ("eci_sem" if material.judge is None else "judged_hardness")
    if rank_by not in measures:
        raise SettingsError(f"rank_by: {rank_by!r} was not measured; measured: {', '.join(measures)}")
    facts: dict[str, Any] = {
        "rank_by": rank_by,
        "encoder": settings.encoder,
        "encoder_identity": canonical_hash(encoded.encoder.identity())[:16],
        "judge": None if material.judge is None else material.judge.name,
        "queries": len(common),
        "versions": {"eci_v1": settings.eci_v1.version, "eci_sem": settings.eci_sem.version},
    }
    values = {
        measure: {name: _of_queries(sets.groups[name].queries, common, measured[name][measure]) for name in measured}
        for measure in measures
    }
    ranking = rank_sets(values, settings.eci_v1, rounds=settings.rounds, seed=settings.seed, metadata=facts)
    scored = Scored(_table(sets, measured, facts), ranking, {})
    return Scored(scored.scores, ranking, _facts(sets, scored.order()[0]))


def _of_queries(rows: np.ndarray, common: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values of the common queries, in their order."""
    order = np.argsort(rows, kind="stable")
    chosen: np.ndarray = values[order[np.searchsorted(rows[order], common)]]
    return chosen


def _table(sets: NamedSets, measured: Mapping[str, Mapping[str, np.ndarray]], facts: Mapping[str, Any]) -> SetScores:
    measures = list(next(iter(measured.values())))
    names = pa.array(list(measured), pa.string())

    def parts() -> Iterator[pa.Table]:
        for code, (name, found) in enumerate(measured.items()):
            queries = sets.groups[name].queries
            for place, values in enumerate(found.values()):
                there = np.flatnonzero(~np.isnan(values))
                columns = {
                    "set_name": coded(names, np.full(len(there), code)),
                    "query_id": coded(sets.query_ids, queries[there]),
                    "measure": coded(pa.array(measures, pa.string()), np.full(len(there), place)),
                    "value": pa.array(values[there]),
                }
                yield pa.table(columns)

    return SetScores.of_unique(pa.concat_tables(list(parts())), facts)


def _facts(sets: NamedSets, first: str) -> dict[str, Json]:
    pairs = {name: np.unique(sets.keys_of(groups)[1]) for name, groups in sets.groups.items()}
    facts: dict[str, Json] = {}
    for name, groups in sets.groups.items():
        total = len(groups.negatives)
        facts[name] = {
            "queries": len(groups),
            "without_negatives": int((groups.sizes() == 0).sum()),
            "pairs": total,
            "sources": {source: len(places) / total for source, places in sets.sources[name].items()},
            "overlap": 1.0 if name == first else source_overlap({"a": pairs[first], "b": pairs[name]})["a", "b"],
        }
    return facts
