"""Measures and tests against the tools that the field cites."""

from __future__ import annotations

import numpy as np
import pytest

from pyrite.data import Judgment, Qrels, Run, ScoreKind
from pyrite.metrics import bootstrap_interval, measure_run, randomisation_test

pytrec_eval = pytest.importorskip("pytrec_eval")
stats = pytest.importorskip("scipy.stats")

TREC = {"nDCG@10": "ndcg_cut_10", "P@10": "P_10", "R@100": "recall_100", "AP": "map", "RR": "recip_rank"}


@pytest.fixture(scope="module")
def judged() -> dict[str, dict[str, int]]:
    generator = np.random.default_rng(0)
    return {f"q{q}": {f"d{d}": int(generator.integers(0, 4)) for d in range(0, 200, 9)} for q in range(40)}


@pytest.fixture(scope="module")
def ranked() -> dict[str, dict[str, float]]:
    """Scores on a coarse grid, so that most documents tie with others."""
    generator = np.random.default_rng(1)
    return {
        f"q{q}": {f"d{d}": float(generator.integers(0, 12)) / 4 for d in generator.permutation(200)[:120]}
        for q in range(40)
    }


@pytest.fixture(scope="module")
def values(judged: dict[str, dict[str, int]], ranked: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    rows = [(query_id, doc_id, score) for query_id, docs in ranked.items() for doc_id, score in docs.items()]
    columns = dict(zip(("query_id", "doc_id", "score"), zip(*rows, strict=True), strict=True))
    run = Run.build("scorer", ScoreKind.UNKNOWN, rank=[1] * len(rows), **columns)
    qrels = Qrels.from_rows([Judgment(q, d, grade) for q, docs in judged.items() for d, grade in docs.items()])
    scores = measure_run(run, qrels, [*TREC, "RR@10"])
    return {measure: scores.of(measure) for measure in scores.means()}


@pytest.mark.parametrize("measure", TREC)
def test_values_are_trec_evals(
    measure: str,
    values: dict[str, dict[str, float]],
    judged: dict[str, dict[str, int]],
    ranked: dict[str, dict[str, float]],
) -> None:
    name = TREC[measure]
    reference = pytrec_eval.RelevanceEvaluator(judged, {name.replace("cut_10", "cut.10"), name}).evaluate(ranked)
    assert values[measure] == pytest.approx({query: row[name] for query, row in reference.items()}, abs=1e-12)


def test_reciprocal_rank_with_a_cutoff_is_trec_evals_too(values: dict[str, dict[str, float]]) -> None:
    cut = {query: value if value >= 1 / 10 else 0.0 for query, value in values["RR"].items()}
    assert values["RR@10"] == pytest.approx(cut)


@pytest.mark.parametrize("queries", [8, 120])
def test_p_is_scipys(queries: int) -> None:
    generator = np.random.default_rng(queries)
    a = generator.random(queries)
    b = a - generator.normal(0.05, 0.3, queries)
    reference = stats.permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000 if queries > 12 else np.inf,
        rng=np.random.default_rng(0),
    )
    tolerance = 1e-12 if queries <= 12 else 0.02
    assert 0.01 < reference.pvalue < 0.99
    assert randomisation_test(a, b) == pytest.approx(reference.pvalue, abs=tolerance)


def test_the_interval_is_scipys() -> None:
    generator = np.random.default_rng(9)
    differences = generator.gamma(2.0, 0.2, 80) - 0.3
    reference = stats.bootstrap(
        (differences,), np.mean, method="percentile", n_resamples=10_000, rng=np.random.default_rng(0)
    ).confidence_interval
    width = reference.high - reference.low
    low, high = bootstrap_interval(differences, np.zeros(80))
    assert low == pytest.approx(reference.low, abs=0.03 * width)
    assert high == pytest.approx(reference.high, abs=0.03 * width)
