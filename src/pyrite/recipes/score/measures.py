"""Every measure of a set of negatives, query by query."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pyrite.metrics.eci import EciV1Values, eci_sem, eci_v1
from pyrite.metrics.groups import Groups, Similarities, Units
from pyrite.metrics.overlap import lexical_residuality
from pyrite.metrics.quality import diversity, false_negatives, hardness, judged_hardness, margin, mean_of_negatives
from pyrite.recipes.score.judges import JudgedPairs
from pyrite.recipes.score.material import Material
from pyrite.recipes.score.settings import ScoreSettings

__all__ = ["MEASURES", "measure_set"]

MEASURES: Mapping[str, str] = {
    "eci_v1": "capacity times efficiency (reconstruction of arXiv 2603.20990v1)",
    "eci_v1.capacity": "ln(1 + N)",
    "eci_v1.hardness": "mean or largest cosine of the query with its negatives, clipped to 0 to 1",
    "eci_v1.safety": "how far the positive is above the hardest negative, clipped to 0 to 1",
    "eci_v1.efficiency": "harmonic mean of hardness and safety",
    "eci_sem": "ln det of what negatives span beyond query and positive (reconstruction of arXiv 2603.20990v3)",
    "eci_sem.consistency": "how clearly negatives stay below the positive",
    "eci_sem.locality": "how near negatives are to the positive",
    "eci_sem.residuality": "share of a negative's words, by IDF, that neither query nor positive has",
    "eci_sem.residual": "squared length of what counts of a negative's vector",
    "negatives": "negatives of a query",
    "hardness": "mean cosine of the query with its negatives",
    "margin": "mean of positive's minus negative's cosine",
    "unsafe": "share of queries with safety 0",
    "false_negatives": "share of negatives that reach the positive, by the encoder",
    "diversity": "mean distance between a query's negatives",
    "lexical_overlap": "share of a negative's words, by IDF, that query or positive has",
    "judged_hardness": "hardness by the encoder, counted where the judge agrees that it is a negative",
    "judge.margin": "mean of positive's minus negative's score, by the judge",
    "judge.false_negatives": "share of negatives that reach the positive, by the judge",
    "judge.eci_v1": "eci_v1 with safety by the judge",
    "judge.eci_sem": "eci_sem with target consistency by the judge",
}
"""What each measure is. Those of a judge are there only with one."""


def measure_set(groups: Groups, material: Material, settings: ScoreSettings) -> dict[str, np.ndarray]:
    """Return {measure: one value for each query, shape (Q,)}; nan where there is nothing to take it of.

    Args:
        groups: A set's groups.
        material: Vectors, words and a judge's scores.
        settings: What is measured.

    Raises:
        DataError: The material does not fit the groups.
    """
    vectors = material.vectors
    own = Similarities(
        vectors.cosines(groups.queries[groups.query_of_positives()], groups.positives),
        vectors.cosines(groups.queries[groups.query_of_negatives()], groups.negatives),
    )
    random = None if material.random is None else material.random[groups.queries]
    first = eci_v1(groups, own, settings.eci_v1, random=random)
    found = {"eci_v1": first.values, **{f"eci_v1.{name}": part for name, part in first.components().items()}}
    found |= _semantic(groups, material, own, settings)
    return found | _quality(groups, material, own, first, settings) | _judged(groups, material, own, settings)


def _residuality(groups: Groups, material: Material, units: Units) -> np.ndarray | None:
    return None if material.terms is None else lexical_residuality(groups, units, material.terms)


def _semantic(
    groups: Groups, material: Material, own: Similarities, settings: ScoreSettings, judge: Similarities | None = None
) -> dict[str, np.ndarray]:
    vectors, chosen = material.vectors, settings.eci_sem
    units = Units.of(groups, own.positives, chosen.positives)
    known = _residuality(groups, material, units)
    found = eci_sem(groups, vectors.queries, vectors.documents, chosen, residuality=known, judge=judge)
    return {"eci_sem": found.values, **{f"eci_sem.{name}": part for name, part in found.components().items()}}


def _quality(
    groups: Groups, material: Material, own: Similarities, first: EciV1Values, settings: ScoreSettings
) -> dict[str, np.ndarray]:
    safety = first.safety
    found = {
        "negatives": groups.sizes().astype(np.float64),
        "hardness": hardness(groups, own),
        "margin": margin(groups, own),
        "unsafe": np.where(np.isnan(safety), np.nan, safety == 0),
        "false_negatives": mean_of_negatives(groups, false_negatives(groups, own, settings.tolerance)),
        "diversity": diversity(groups, material.vectors),
    }
    units = Units.of(groups, own.positives, "max")
    known = _residuality(groups, material, units)
    return found if known is None else found | {"lexical_overlap": 1 - mean_of_negatives(groups, known)}


def _judged(groups: Groups, material: Material, own: Similarities, settings: ScoreSettings) -> dict[str, np.ndarray]:
    judge = material.judge
    if judge is None:
        return {}
    scores = judge.similarities(groups)
    false = false_negatives(groups, scores, settings.tolerance)
    found = {
        "judged_hardness": judged_hardness(groups, own, ~false),
        "judge.margin": margin(groups, scores),
        "judge.false_negatives": mean_of_negatives(groups, false),
    }
    return found | (_by_judge(groups, material, own, judge, settings) if judge.bounded else {})


def _by_judge(
    groups: Groups, material: Material, own: Similarities, judge: JudgedPairs, settings: ScoreSettings
) -> dict[str, np.ndarray]:
    """Return both measures with the judge's word on safety."""
    scores = judge.similarities(groups)
    random = None if material.random is None else material.random[groups.queries]
    return {
        "judge.eci_v1": eci_v1(groups, own, settings.eci_v1, judge=scores, random=random).values,
        "judge.eci_sem": _semantic(groups, material, own, settings, scores)["eci_sem"],
    }
