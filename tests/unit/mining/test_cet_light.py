"""The light variant of CET, against planted truths: known relevance, known selection."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Candidate, Candidates, Corpus, Document, Judgment, Negatives, Qrels, Queries, Query
from pyrite.data.groups import training_groups
from pyrite.errors import DataError
from pyrite.metrics.pooling import false_negative_probability, inverse_propensity
from pyrite.metrics.separation import auroc
from pyrite.mining import Selection, select_negatives
from pyrite.mining.cet import CetLight, CetScores, cet_light
from pyrite.mining.cet.estimation import ANCHOR, EASY, JUDGED, POSITIVE, SEEN, UNLABELLED, Likelihood, fit_coupled
from pyrite.settings import parse_settings
from pyrite.train import TrainingTexts
from pyrite.train.examples import resolve

QUERIES, DEPTH = 200, 60
RANDOM = 20


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-logits)))


@given(st.floats(-8, 8), st.floats(-8, 8))
def test_the_probability_of_a_false_negative_is_the_posterior(f: float, g: float) -> None:
    rho, chosen = float(sigmoid(np.array(f))), float(sigmoid(np.array(g)))
    wanted = rho * (1 - chosen) / (1 - rho * chosen)
    assert float(false_negative_probability(np.array(f), np.array(g))) == pytest.approx(wanted, rel=1e-9)


@given(st.floats(-10, 10), st.floats(1, 20))
def test_a_weight_is_one_over_the_chance_of_not_being_selected(score: float, temperature: float) -> None:
    weight = float(inverse_propensity(np.array(score), temperature))
    assert weight == pytest.approx(1 / (1 - float(sigmoid(np.array(score / temperature)))), rel=1e-6)
    assert weight < float(inverse_propensity(np.array(score + 1), temperature))


def test_weights_have_the_published_range() -> None:
    """Scores within +-10: 1.37 to 3.72 at T = 10, 1.007 to 149 at T = 2."""
    ends = np.array([-10.0, 10.0])
    assert inverse_propensity(ends, 10).round(2).tolist() == [1.37, 3.72]
    assert inverse_propensity(ends, 2).round(3).tolist() == [1.007, 149.413]


def test_cap_and_normalising_are_off_until_asked_for() -> None:
    scores = CetScores(np.zeros(3), np.log([1.0, 2.0, 7.0]))
    over = np.array([True, True, False])
    assert scores.weights(1.0, None, None) == pytest.approx([2, 3, 8])
    assert scores.weights(1.0, 5.0, None) == pytest.approx([2, 3, 5])
    assert scores.weights(1.0, 5.0, over) == pytest.approx([0.8, 1.2, 2])


def simulated(
    kinds: tuple[int, ...], seed: int = 0, count: int = 40_000
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return a semantic and a lexical feature that go together, what is known, and what is relevant."""
    draw = np.random.default_rng(seed)
    semantic = draw.normal(1, 1, count)
    lexical = 0.5 * semantic + draw.normal(0, 1, count)
    relevant = draw.random(count) < sigmoid(2 * semantic - 4)
    selected = draw.random(count) < sigmoid(1.5 * lexical - 1)
    known = np.where(relevant & selected, POSITIVE, UNLABELLED)
    if JUDGED in kinds:
        known[selected & ~relevant & (draw.random(count) < 0.1)] = JUDGED
    if SEEN in kinds:
        known[selected & ~relevant & (draw.random(count) < 0.1) & (known == UNLABELLED)] = SEEN
    easy = draw.normal(-4, 1, (2, count // 2))
    random = [kind for kind in (ANCHOR, EASY) if kind in kinds]
    anchors = np.resize(random, count // 2)
    features = (np.concatenate(pair)[:, None] for pair in zip((semantic, lexical), easy, strict=True))
    return *features, np.concatenate([known, anchors]), np.concatenate([relevant, np.zeros(count // 2, bool)])


@pytest.mark.parametrize("kinds", [(ANCHOR,), (EASY,), (ANCHOR, JUDGED)], ids=["anchors", "easy", "judged"])
def test_planted_relevance_and_selection_come_out_again(kinds: tuple[int, ...]) -> None:
    f, g, known, relevant = simulated(kinds)
    models = fit_coupled(f, g, known, (np.array([1]), np.array([1])), ridge=1.0)
    rho, chosen = (sigmoid(logits) for logits in models.logits(f, g))
    open_ = known == UNLABELLED
    assert np.abs(rho - sigmoid(2 * f[:, 0] - 4))[open_].mean() < 0.02
    assert np.abs(chosen - sigmoid(1.5 * g[:, 0] - 1))[open_].mean() < 0.05
    assert models.recorded == pytest.approx(0.1 if JUDGED in kinds else 0.0, abs=0.02)
    flags = CetScores(*models.logits(f, g), models.recorded).false_negatives()
    assert flags[open_].sum() == pytest.approx(relevant[open_].sum(), rel=0.15)
    truth = false_negative_probability(2 * f[:, 0] - 4, 1.5 * g[:, 0] - 1)
    found, best = (auroc(some[open_ & relevant], some[open_ & ~relevant]) for some in (flags, truth))
    assert found > 0.8
    assert found > best - 0.01


def test_the_likelihood_and_its_gradient_are_those_of_what_is_known() -> None:
    """The chances written anew; the gradient by central differences, at three points."""
    f, g, known, _ = simulated((ANCHOR, EASY, JUDGED, SEEN), count=2000)
    assert set(known.tolist()) == {UNLABELLED, POSITIVE, JUDGED, SEEN, ANCHOR, EASY}
    ones = np.ones((len(f), 1))
    problem = Likelihood(np.hstack([ones, f]), np.hstack([ones, g]), known, 2.0)

    def loss(b: np.ndarray) -> float:
        rho, chosen, kept = sigmoid(b[0] + b[1] * f[:, 0]), sigmoid(b[2] + b[3] * g[:, 0]), sigmoid(b[4])
        chances = np.empty(len(known))
        for kind, chance in (
            (POSITIVE, rho * chosen),
            (JUDGED, kept * (1 - rho) * chosen),
            (UNLABELLED, 1 - rho * chosen - kept * (1 - rho) * chosen),
            (SEEN, (1 - rho) * chosen),
            (ANCHOR, (1 - rho) * (1 - chosen)),
            (EASY, 1 - rho),
        ):
            chances[known == kind] = chance[known == kind]
        return float(-(np.log(chances).sum() - (b[1] ** 2 + b[3] ** 2)) / len(known))

    for point in np.random.default_rng(0).normal(0, 1, (3, 5)):
        value, gradient = problem.loss(point)
        assert value == pytest.approx(loss(point), rel=1e-12)
        steps = np.eye(5) * 1e-5
        slopes = [(loss(point + step) - loss(point - step)) / 2e-5 for step in steps]
        assert gradient == pytest.approx(slopes, abs=1e-8)


@functools.cache
def planted(seed: int = 0) -> tuple[Candidates, Corpus, Queries, Qrels, dict[tuple[str, str], bool]]:
    """Return candidates of a lexical pool and a dense source, labels that the pool showed, and what is relevant."""
    draw = np.random.default_rng(seed)
    rows: list[Candidate] = []
    judged: list[Judgment] = []
    relevant: dict[tuple[str, str], bool] = {}
    documents = [Document(f"d{place:03}", "word " * (1 + place % 7)) for place in range(DEPTH + RANDOM)]
    for number in range(QUERIES):
        query = f"q{number:03}"
        dense = draw.normal(0, 1, DEPTH) + 1
        lexical = 0.6 * dense + draw.normal(0, 1, DEPTH) + 5
        truth = draw.random(DEPTH) < sigmoid(2.5 * dense - 5)
        ranks = np.argsort(np.argsort(-lexical)) + 1
        shown = draw.random(DEPTH) < sigmoid(3.5 - 2.5 * np.log(ranks))
        order = np.argsort(np.argsort(-dense)) + 1
        for place in range(DEPTH):
            doc, positive = f"d{place:03}", bool(truth[place] and shown[place])
            relevant[query, doc] = bool(truth[place])
            judged += [Judgment(query, doc, 1)] if positive else []
            for source, rank in (("bm25", int(ranks[place])), ("dense", int(order[place]))):
                rows += [
                    Candidate(query, doc, source, rank, scorer, float(score), positive)
                    for scorer, score in (("bm25", lexical[place]), ("dense", dense[place]))
                ]
        for place in range(DEPTH, DEPTH + RANDOM):
            doc, scores = f"d{place:03}", draw.normal((0.5, -4), 1)
            rows += [
                Candidate(query, doc, "random", place - DEPTH + 1, scorer, float(score), False)
                for scorer, score in zip(("bm25", "dense"), scores, strict=True)
            ]
    kinds = {"bm25": "bm25", "dense": "unknown"}
    queries = Queries.from_rows(Query(f"q{number:03}", "some words") for number in range(QUERIES))
    candidates = Candidates.from_rows(rows, {"scorers": kinds, "grade_threshold": 1})
    return candidates, Corpus.from_rows(documents), queries, Qrels.from_rows(judged), relevant


@pytest.fixture(scope="module")
def made() -> tuple[Candidates, dict[tuple[str, str], bool]]:
    *inputs, relevant = planted()
    return cet_light(*inputs, CetLight(relevance=("dense",))), relevant


def scores_of(candidates: Candidates, scorer: str) -> dict[tuple[str, str], float]:
    return {
        (row.query_id, row.doc_id): float(row.score)
        for row in candidates.rows()
        if row.scorer == scorer and row.source != "random" and row.score is not None
    }


def test_flags_find_planted_false_negatives_as_well_as_a_model_of_complete_labels(made: Any) -> None:
    candidates, relevant = made
    from sklearn.linear_model import LogisticRegression

    flags, dense = scores_of(candidates, "cet-false-negative"), scores_of(candidates, "dense")
    positive = {(row.query_id, row.doc_id) for row in candidates.rows() if row.is_positive}
    open_ = sorted(flags.keys() - positive)
    truth = np.array([relevant[pair] for pair in open_])
    complete = LogisticRegression(C=1e6).fit(
        [[dense[pair]] for pair in sorted(flags)], [relevant[p] for p in sorted(flags)]
    )
    best = complete.decision_function([[dense[pair]] for pair in open_])
    found = np.array([flags[pair] for pair in open_])
    assert auroc(found[truth], found[~truth]) > auroc(best[truth], best[~truth]) - 0.03
    assert found.sum() == pytest.approx(truth.sum(), rel=0.25)


def test_scores_hang_together_and_the_metadata_tell_of_the_models(made: Any) -> None:
    candidates, _ = made
    assert candidates.metadata["scorers"] == {
        "bm25": "bm25",
        "dense": "unknown",
        "cet-relevance": "logit",
        "cet-selection": "logit",
        "cet-weight": "unknown",
        "cet-false-negative": "probability",
    }
    f, g, weights, flags = (
        scores_of(candidates, f"cet-{end}") for end in ("relevance", "selection", "weight", "false-negative")
    )
    for pair in list(f)[::97]:
        assert weights[pair] == pytest.approx(1 + np.exp(g[pair]))
        assert flags[pair] == pytest.approx((weights[pair] - 1) and np.exp(f[pair]) / (np.exp(f[pair]) + weights[pair]))
    report = candidates.metadata["cet"]["cet"]
    assert sum(report["pairs"].values()) == QUERIES * (DEPTH + RANDOM)
    assert report["coefficients"]["relevance"].keys() == {"intercept", "dense"}
    assert report["coefficients"]["selection"]["bm25 rank"] < 0
    assert -1 < report["correlation"] < 1


def test_the_order_of_rows_changes_nothing() -> None:
    candidates, *others, _ = planted(1)
    backwards = Candidates(candidates.arrow.take(np.arange(len(candidates))[::-1]), candidates.metadata)
    settings = CetLight(relevance=("dense",))
    first, second = (
        sorted(scores_of(cet_light(some, *others, settings), "cet-false-negative").items())
        for some in (candidates, backwards)
    )
    assert [pair for pair, _ in first] == [pair for pair, _ in second]
    assert np.allclose([flag for _, flag in first], [flag for _, flag in second], rtol=1e-3, atol=1e-6)


def test_documents_that_the_judges_saw_for_certain_are_known() -> None:
    *inputs, _ = planted()
    made = cet_light(*inputs, CetLight(relevance=("dense",), surely_selected=2, random_unselected=False))
    pairs = made.metadata["cet"]["cet"]["pairs"]
    first = [row for row in inputs[0].rows() if row.source == row.scorer == "bm25" and row.rank in (1, 2)]
    assert pairs["seen_without_label"] == sum(not row.is_positive for row in first)
    assert pairs["random_documents"] == QUERIES * RANDOM


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"relevance": ("cross",)}, r"no candidates with the scorer 'cross'; there are some with \['bm25', 'dense'\]"),
        ({"pool": ("splade",)}, "no candidates with the source 'splade'"),
        ({"random": "bm25"}, "no random documents"),
        ({"random": "nothing"}, "no candidates with the source 'nothing'"),
    ],
)
def test_what_is_lacking_is_named(settings: dict[str, Any], message: str) -> None:
    *inputs, _ = planted()
    with pytest.raises(DataError, match=message):
        cet_light(*inputs, CetLight(**{"relevance": ("dense",), "above_random": False, **settings}))


def test_a_missing_score_and_a_name_that_is_taken_are_refused(made: Any) -> None:
    *inputs, _ = planted()
    table = inputs[0].arrow.slice(1)
    with pytest.raises(DataError, match=r"have no score by 'bm25'; rescore all candidates by it first"):
        cet_light(
            Candidates(table.filter(_not_first(table)), inputs[0].metadata), *inputs[1:], CetLight(relevance=("dense",))
        )
    with pytest.raises(DataError, match="the candidates have scores by cet-false-negative, cet-relevance"):
        cet_light(made[0], *inputs[1:], CetLight(relevance=("dense",)))


def _not_first(table: Any) -> Any:
    """Return all rows but those that give the first document its BM25 score."""
    import pyarrow.compute as pc

    own = pc.and_(pc.equal(table.column("query_id"), "q000"), pc.equal(table.column("doc_id"), "d000"))
    return pc.invert(pc.and_(own, pc.equal(table.column("scorer"), "bm25")))


def chosen(candidates: Candidates, **settings: Any) -> Negatives:
    _, corpus, queries, qrels, _ = planted()
    selection = parse_settings(Selection, {"sources": ["bm25", "dense"], "scorer": "dense", **settings}, "x")
    return select_negatives(candidates, distinct(corpus), queries, qrels, selection).negatives


def distinct(corpus: Corpus) -> Corpus:
    """Return documents that are no copies of each other."""
    return Corpus.from_rows(Document(row.doc_id, f"{row.text} {row.doc_id}") for row in corpus.rows())


def test_weights_go_from_the_candidates_to_the_trainer(made: Any) -> None:
    weights = scores_of(made[0], "cet-weight")
    negatives = chosen(made[0], sampler={"type": "top", "count": 4}, weigh_by="cet-weight")
    given = {(row.query_id, row.doc_id): row.weight for row in negatives.rows()}
    assert given == {pair: weights[pair] for pair in given}
    _, corpus, queries, qrels, _ = planted()
    groups = training_groups(qrels, negatives)
    examples = resolve(groups, TrainingTexts(corpus, queries), 4)
    assert examples.weights is not None
    for group, row in zip(groups.rows(), examples.weights, strict=True):
        assert row.tolist() == pytest.approx([weights[group.query_id, doc_id] for doc_id in group.negative_ids])


def test_the_sampler_hands_its_weights_over_and_what_came_back_counts_once(made: Any) -> None:
    settings = {"sampler": {"type": "cet", "count": 5, "seed": 3}, "shortage": "relax"}
    negatives = chosen(made[0], **settings)
    assert {row.weight for row in negatives.rows()} != {1.0}
    short = chosen(made[0], **settings, filters=[{"type": "ceiling", "ceiling": -1.0}])
    relaxed = [row for row in short.rows() if row.relaxed == "ceiling"]
    assert relaxed
    assert {row.weight for row in relaxed} == {1.0}


def test_weights_below_zero_are_refused(made: Any) -> None:
    with pytest.raises(DataError, match="weigh_by: scores by 'dense' are no weights: the lowest is -"):
        chosen(made[0], sampler={"type": "uniform"}, weigh_by="dense")


def test_likely_false_negatives_are_drawn_less_often(made: Any) -> None:
    candidates, relevant = made
    shares = {}
    for kind in ("top", "cet"):
        negatives = chosen(candidates, sampler={"type": kind, "count": 5})
        shares[kind] = np.mean([relevant[row.query_id, row.doc_id] for row in negatives.rows()])
    assert shares["cet"] < 0.6 * shares["top"]
