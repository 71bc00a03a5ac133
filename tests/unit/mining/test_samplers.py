"""Samplers: counts, seeds, shares, and draws against the exact probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from math import exp, prod, sqrt

import numpy as np
import pytest

from pyrite.data import Candidate, Candidates
from pyrite.errors import DataError, SettingsError
from pyrite.mining import (
    CetSampler,
    SamplerSettings,
    Selection,
    SimansSampler,
    StratifiedSampler,
    TopSampler,
    UniformSampler,
)
from pyrite.mining.pool import Pool, build_pool
from pyrite.settings import parse_settings

SAMPLERS: list[SamplerSettings] = [
    TopSampler(count=4),
    UniformSampler(count=4),
    StratifiedSampler(count=4),
    StratifiedSampler(count=4, by="score", within="uniform"),
    StratifiedSampler(count=4, by="rank", bands=3),
    SimansSampler(count=4),
    CetSampler(count=4),
]

CHANCES = {f"d{place:02}": (0.1, 0.6, 0.0, 0.3, 0.8)[place % 5] for place in range(20)}


def pool(
    scores: Sequence[float], sources: str = "", queries: Sequence[str] = ("q",), positive: float | None = 1.0
) -> Pool:
    """Return the same candidates for each query, ranked in their order by sources of one letter each."""
    sources = sources or "s" * len(scores)
    rows = []
    for query in queries:
        ranks: Counter[str] = Counter()
        for place, (score, source) in enumerate(zip(scores, sources, strict=True)):
            ranks[source] += 1
            rows.append(Candidate(query, f"d{place:02}", source, ranks[source], source, score, False))
        rows += [Candidate(query, "p", source, None, source, positive, True) for source in sorted(set(sources))]
    kinds = dict.fromkeys(set(sources), "cosine")
    rows += [replace(row, scorer="cet-false-negative", score=CHANCES[row.doc_id]) for row in rows if row.doc_id != "p"]
    kinds["cet-false-negative"] = "probability"
    candidates = Candidates.from_rows(rows, {"scorers": kinds})
    return build_pool(candidates, sorted(set(sources)), None, ["cet-false-negative"])


def drawn(sampler: SamplerSettings, given: Pool) -> list[str]:
    rows = sampler.draw(given).rows
    return [doc_id for _, doc_id in sorted(zip(given.query_ids[rows], given.doc_ids[rows], strict=True))]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: f"{sampler.type}-{getattr(sampler, 'by', '')}")
@pytest.mark.parametrize("size", [0, 1, 3, 4, 9])
def test_each_query_gets_as_many_as_there_are_at_most_the_count(sampler: SamplerSettings, size: int) -> None:
    given = (
        pool(np.linspace(0.9, 0.1, size).tolist(), ("ab" * size)[:size], ("q1", "q2"))
        if size
        else pool([0.5]).take(np.zeros(0, int))
    )
    rows = sampler.draw(given).rows
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert Counter(given.query_ids[rows].tolist()) == ({"q1": min(size, 4), "q2": min(size, 4)} if size else {})


@pytest.mark.parametrize(
    "sampler",
    [
        UniformSampler(count=3),
        SimansSampler(count=3),
        StratifiedSampler(count=3, by="rank", within="uniform"),
        CetSampler(count=3),
    ],
)
def test_draws_depend_on_seed_and_query_and_not_on_other_queries(sampler: SamplerSettings) -> None:
    scores = np.linspace(0.9, 0.1, 12).tolist()
    one = {query: drawn(sampler, pool(scores, queries=(query,))) for query in ("q1", "q2", "q3")}
    together = pool(scores, queries=("q3", "q1", "q2"))
    assert drawn(sampler, together) == one["q1"] + one["q2"] + one["q3"]
    assert len({tuple(ids) for ids in one.values()}) > 1
    others = [drawn(sampler.model_copy(update={"seed": seed}), pool(scores, queries=("q1",))) for seed in range(5)]
    assert len({tuple(ids) for ids in others}) > 1


def without_replacement(weights: Sequence[float], count: int) -> np.ndarray:
    """Return the probability that each item is among `count` drawn one after the other."""
    included = np.zeros(len(weights))
    for order in permutations(range(len(weights)), count):
        left, steps = sum(weights), []
        for item in order:
            steps.append(weights[item] / left)
            left -= weights[item]
        included[list(order)] += prod(steps)
    return included


@pytest.mark.parametrize("standardise", [True, False])
def test_simans_draws_with_its_probabilities(standardise: bool) -> None:
    """5,000 seeds: each frequency lies within 4 standard errors of the exact probability of inclusion."""
    scores, positive, a, b = [1.2, 0.9, 0.5, -0.4, -1.0], 0.8, 0.7, -0.3
    scale = float(np.std(scores)) if standardise else 1.0
    weights = [exp(-a * ((score - positive) / scale - b) ** 2) for score in scores]
    exact = without_replacement(weights, 2)
    given = pool(scores, positive=positive)
    seeds = 5000
    counts = np.zeros(len(scores))
    for seed in range(seeds):
        counts[SimansSampler(count=2, a=a, b=b, standardise=standardise, seed=seed).draw(given).rows] += 1
    assert exact.sum() == pytest.approx(2)
    assert np.all(np.abs(counts / seeds - exact) < 4 * sqrt(0.25 / seeds))
    assert abs(exact[1] - exact[4]) > 0.3


def test_simans_compares_with_the_positive_that_was_asked_for() -> None:
    """So sharp that only the candidate at the reference is likely: .2, .5 or .8."""
    rows = [Candidate("q", f"d{i}", "s", i + 1, "s", score, False) for i, score in enumerate((0.8, 0.5, 0.2))]
    rows += [Candidate("q", f"p{score}", "s", None, "s", score, True) for score in (0.2, 0.8)]
    given = build_pool(Candidates.from_rows(rows, {"scorers": {"s": "cosine"}}), ("s",), None)
    for reference, doc_id in (("highest", "d0"), ("mean", "d1"), ("lowest", "d2")):
        assert drawn(SimansSampler(count=1, a=1e6, reference=reference), given) == [doc_id]
    assert drawn(SimansSampler(count=1, a=1e6, b=-0.3, standardise=False), given) == ["d1"]


def test_simans_wants_scores_of_positives() -> None:
    with pytest.raises(DataError, match=r"1 queries have a positive without a score .* rescore first"):
        SimansSampler().draw(pool([0.5], positive=None))


def test_equal_scores_are_drawn_uniformly() -> None:
    counts: Counter[str] = Counter()
    for seed in range(2000):
        counts.update(drawn(SimansSampler(count=1, seed=seed), pool([0.5] * 4)))
    assert all(abs(count / 2000 - 0.25) < 4 * sqrt(0.1875 / 2000) for count in counts.values())


def test_sources_take_turns() -> None:
    assert drawn(StratifiedSampler(count=4), pool([0.9] * 6, "aaaabb")) == ["d00", "d01", "d04", "d05"]
    assert drawn(StratifiedSampler(count=3), pool([0.9] * 6, "aaaabb")) == ["d00", "d01", "d04"]


def test_a_stratum_that_is_used_up_gives_its_places_to_others() -> None:
    assert drawn(StratifiedSampler(count=5), pool([0.9] * 6, "aaaaab")) == ["d00", "d01", "d02", "d03", "d05"]


def test_shares_are_kept_and_a_share_of_zero_fills_up_only() -> None:
    sampler = StratifiedSampler(count=4, shares={"a": 3, "b": 1})
    assert drawn(sampler, pool([0.9] * 9, "aaaabbbcc")) == ["d00", "d01", "d02", "d04"]
    sampler = StratifiedSampler(count=4, shares={"b": 1, "c": 1})
    assert drawn(sampler, pool([0.9] * 9, "aaaaabccc")) == ["d05", "d06", "d07", "d08"]
    assert drawn(sampler, pool([0.9] * 6, "aaaabc")) == ["d00", "d01", "d04", "d05"]
    with pytest.raises(DataError, match=r"shares: no candidates from \['c'\]; there are some from \['a', 'b'\]"):
        sampler.draw(pool([0.9] * 2, "ab"))


def test_bands_of_scores_are_equally_wide_and_those_of_ranks_equally_full() -> None:
    """1.0 to 0: the upper half holds one score, the lower five; by rank, each half holds three."""
    scores = [1.0, 0.4, 0.3, 0.2, 0.1, 0.0]
    assert drawn(StratifiedSampler(count=4, by="score", bands=2), pool(scores)) == ["d00", "d01", "d02", "d03"]
    assert drawn(StratifiedSampler(count=4, by="rank", bands=2), pool(scores)) == ["d00", "d01", "d03", "d04"]
    hard = StratifiedSampler(count=2, by="rank", bands=2, shares={"2": 1})
    assert drawn(hard, pool(scores)) == ["d03", "d04"]


def test_settings_say_what_is_wrong() -> None:
    for data, message in (
        ({"type": "stratified", "by": "rank", "bands": 2, "shares": {"3": 1}}, "shares: no bands 3; there are 1, 2"),
        ({"type": "stratified", "shares": {"a": 0}}, "shares: all are 0"),
        ({"type": "cet"}, "weigh_by: the sampler `cet` gives weights itself; with both, a pair would count twice"),
    ):
        with pytest.raises(SettingsError, match=message):
            parse_settings(Selection, {"sampler": data, "weigh_by": "cet-weight"}, "x")


CET = [1.2, 0.9, 0.5, -0.4, -1.0]


def cet_shares(sharpness: float) -> np.ndarray:
    """Return exp(sharpness z) (1 - P), normalised, of the five candidates."""
    hardness = np.array(CET) / np.std(CET)
    shares = np.exp(sharpness * hardness) * (1 - np.array(list(CHANCES.values())[:5]))
    return np.asarray(shares / shares.sum())


def test_cet_draws_from_its_proposal() -> None:
    given = pool(CET)
    exact, seeds = without_replacement(cet_shares(1.5).tolist(), 2), 3000
    counts = np.zeros(len(CET))
    for seed in range(seeds):
        counts[CetSampler(count=2, sharpness=1.5, seed=seed).draw(given).rows] += 1
    assert np.all(np.abs(counts / seeds - exact) < 4 * sqrt(0.25 / seeds))


@pytest.mark.parametrize(("count", "target"), [(1, 0.0), (2, 0.0), (3, 1.0), (2, 1.5)])
def test_cet_weights_make_every_sum_that_of_the_target(count: int, target: float) -> None:
    """The mean over 4,000 draws of each candidate's weight: count times its share, within 4 standard errors."""
    given, draws = pool(CET), 4000
    sums = np.zeros((draws, len(CET)))
    for seed in range(draws):
        chosen = CetSampler(count=count, sharpness=1.5, target_sharpness=target, seed=seed).draw(given)
        assert chosen.weights is not None
        sums[seed, chosen.rows] = chosen.weights
    errors = np.maximum(sums.std(axis=0) / sqrt(draws), 1e-3)
    assert np.all(np.abs(sums.mean(axis=0) - count * cet_shares(target)) < 4 * errors)


def test_cet_weights_of_a_query_drawn_whole_are_its_shares() -> None:
    chosen = CetSampler(count=9).draw(pool(CET))
    assert chosen.rows.tolist() == [0, 1, 2, 3, 4]
    assert chosen.weights == pytest.approx(5 * cet_shares(0.0))
    capped = CetSampler(count=9, weight_cap=0.5).draw(pool(CET)).weights
    assert capped == pytest.approx(np.minimum(5 * cet_shares(0.0), 0.5))


def test_cet_never_draws_what_is_relevant_with_certainty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHANCES, "d01", 1.0)
    assert drawn(CetSampler(count=9), pool(CET)) == ["d00", "d02", "d03", "d04"]
    monkeypatch.setitem(CHANCES, "d01", 1.1)
    with pytest.raises(DataError, match=r"'cet-false-negative' are no probabilities: they lie between 0 and 1\.1"):
        CetSampler().draw(pool(CET))


def test_cet_compares_no_scores_of_two_scorers() -> None:
    scores = [0.9, 0.7, 0.6, 0.2, 0.5, 0.1]
    moved = [score + 100 if source == "b" else score for score, source in zip(scores, "aababb", strict=True)]
    for seed in range(20):
        first, second = (CetSampler(count=3, seed=seed).draw(pool(some, "aababb")) for some in (scores, moved))
        assert first.rows.tolist() == second.rows.tolist()
        assert first.weights == pytest.approx(second.weights)
