"""Samplers: counts, seeds, shares, and draws against the exact probabilities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from math import exp, prod, sqrt

import numpy as np
import pytest

from pyrite.data import Candidate, Candidates
from pyrite.errors import DataError, SettingsError
from pyrite.mining import SamplerSettings, Selection, SimansSampler, StratifiedSampler, TopSampler, UniformSampler
from pyrite.mining.pool import Pool, build_pool
from pyrite.settings import parse_settings

SAMPLERS: list[SamplerSettings] = [
    TopSampler(count=4),
    UniformSampler(count=4),
    StratifiedSampler(count=4),
    StratifiedSampler(count=4, by="score", within="uniform"),
    StratifiedSampler(count=4, by="rank", bands=3),
    SimansSampler(count=4),
]


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
    return build_pool(Candidates.from_rows(rows, {"scorers": kinds}), sorted(set(sources)), None)


def drawn(sampler: SamplerSettings, given: Pool) -> list[str]:
    rows = sampler.draw(given)
    return [doc_id for _, doc_id in sorted(zip(given.query_ids[rows], given.doc_ids[rows], strict=True))]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: f"{sampler.type}-{getattr(sampler, 'by', '')}")
@pytest.mark.parametrize("size", [0, 1, 3, 4, 9])
def test_each_query_gets_as_many_as_there_are_at_most_the_count(sampler: SamplerSettings, size: int) -> None:
    given = (
        pool(np.linspace(0.9, 0.1, size).tolist(), ("ab" * size)[:size], ("q1", "q2"))
        if size
        else pool([0.5]).take(np.zeros(0, int))
    )
    rows = sampler.draw(given)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert Counter(given.query_ids[rows].tolist()) == ({"q1": min(size, 4), "q2": min(size, 4)} if size else {})


@pytest.mark.parametrize(
    "sampler",
    [UniformSampler(count=3), SimansSampler(count=3), StratifiedSampler(count=3, by="rank", within="uniform")],
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
        counts[SimansSampler(count=2, a=a, b=b, standardise=standardise, seed=seed).draw(given)] += 1
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
    ):
        with pytest.raises(SettingsError, match=message):
            parse_settings(Selection, {"sampler": data}, "x")
