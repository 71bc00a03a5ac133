"""The statistics of the ECI study, on planted data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studies.eci.statistics import ceiling, correlations, draw, kendall, mean_outcome, spearman

SETS, QUERIES, SEEDS, TESTS = 40, 60, 5, 80
FAMILIES = [f"family {place // 5}" for place in range(SETS)]
PLACES = np.arange(SETS)


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def outcomes(noise: float = 0.0, by_query: float = 0.0) -> np.ndarray:
    """Sets whose true outcome rises with their place shuffled over families, with noise of seeds and of queries."""
    generator = numbers(1)
    truth = generator.permutation(SETS) / SETS
    seeds = noise * generator.standard_normal((SETS, SEEDS, 1))
    return truth[:, None, None] + seeds + by_query * generator.standard_normal((SETS, 1, TESTS)) + np.zeros(TESTS)


def per_query(values: np.ndarray) -> np.ndarray:
    """Scores of the training queries that scatter around a value of each set: shape (1, sets, queries)."""
    return values[None, :, None] + 0.01 * numbers(2).standard_normal((1, SETS, QUERIES))


@pytest.mark.parametrize("seed", range(3))
def test_rank_correlations_are_those_of_scipy_ties_included(seed: int) -> None:
    one, other = numbers(seed).integers(0, 6, (2, 25)).astype(float)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic)
    several = np.stack([one, -one, other])
    assert spearman(several, other) == pytest.approx([float(spearman(row, other)) for row in several])
    assert np.isnan(spearman(np.ones(25), other))
    assert np.isnan(kendall(np.ones(25), other))


def test_targets_count_alike_whatever_their_queries() -> None:
    small, large = np.full((2, 3, 4), 0.2), np.full((2, 3, 400), 0.4)
    assert mean_outcome([small, large]).tolist() == pytest.approx([0.3, 0.3])


def test_a_predictor_that_is_the_outcome_is_found_and_an_independent_one_is_not() -> None:
    reached = outcomes(noise=0.02)
    truth = mean_outcome([reached])
    independent = numbers(5).standard_normal(SETS)
    predictors = np.concatenate([per_query(truth), per_query(independent), per_query(-truth)])
    found = correlations(predictors, [reached], FAMILIES, 1, rounds=300)
    assert found.spearman[0] > 0.99
    assert found.spearman_interval[0][0] > 0.9
    assert found.spearman_interval[0][1] < 0 < found.spearman_interval[1][1] or abs(found.spearman[1]) < 0.35
    assert found.spearman_interval[0][1] < 0 < found.spearman_interval[1][1]
    assert found.spearman[2] == pytest.approx(-found.spearman[0], abs=0.01)
    assert found.kendall_interval[0][0] > 0.7
    # Above the baseline, off 0; the baseline is not above itself.
    assert found.difference_interval[0][0] > 0
    assert found.difference[1] == found.difference_interval[0][1] == found.difference_interval[1][1] == 0
    assert set(found.without) == set(FAMILIES)
    assert min(rho[0] for rho in found.without.values()) > 0.99


def test_known_noise_lowers_the_correlation_by_as_much_as_it_should() -> None:
    truth = numbers(3).standard_normal(2000)
    reached = truth[:, None, None] * np.ones((1, 1, 1))
    noisy = truth + numbers(4).standard_normal(2000)
    # Pearson's is sqrt(1/2) with as much noise as signal; Spearman's of a normal pair is 6/pi asin(r/2).
    wanted = 6 / np.pi * np.arcsin(np.sqrt(0.5) / 2)
    assert float(spearman(noisy, mean_outcome([reached]))) == pytest.approx(wanted, abs=0.03)


def test_a_predictor_that_only_tells_families_apart_is_worth_little_once_they_are_drawn() -> None:
    reached = outcomes() * 0.1 + np.array([place // 5 for place in range(SETS)])[:, None, None]
    family = np.array([float(place // 5 == 7) for place in range(SETS)])
    found = correlations(np.concatenate([per_query(family)] * 2), [reached], FAMILIES, 1, rounds=300)
    by_family = found.spearman_interval[1][0] - found.spearman_interval[0][0]
    assert by_family > found.spearman_by_set[1][0] - found.spearman_by_set[0][0]


def test_members_of_a_family_are_drawn_together_and_queries_anew() -> None:
    found = draw(per_query(PLACES / SETS), [outcomes()], FAMILIES, rounds=20)
    for counts in found.chosen:
        assert counts.sum() == SETS
        for family in set(FAMILIES):
            members = [place for place, name in enumerate(FAMILIES) if name == family]
            assert len(set(counts[members].tolist())) == 1
    assert found.predicted.shape == (20, 1, SETS)
    assert len(np.unique(found.predicted[:, 0, 0])) > 10


def test_queries_without_a_score_are_left_out_of_a_set_s_mean() -> None:
    values = np.ones((1, SETS, QUERIES))
    values[0, 3, 5:] = np.nan
    found = draw(values, [outcomes()], FAMILIES, rounds=50)
    assert set(np.unique(found.predicted[:, 0, 3])) <= {0.0, 1.0}
    assert np.median(found.predicted[:, 0, 3]) == 1.0


def test_the_ceiling_is_one_without_noise_and_falls_with_it() -> None:
    sure = ceiling([outcomes()], halves=20)
    assert sure.pairs == pytest.approx(1) == pytest.approx(sure.value)
    noisy, noisier = (ceiling([outcomes(noise)], halves=20) for noise in (0.2, 0.8))
    assert 1 > noisy.value > noisier.value > 0
    assert noisy.pairs < noisy.seed_to_rest < noisy.value
    assert noisy.reliability == pytest.approx(5 * noisy.pairs / (1 + 4 * noisy.pairs))
    assert np.isnan(ceiling([outcomes()[:, :1]], halves=5).value)


def test_the_truth_reaches_the_ceiling_and_does_not_pass_it_by_more_than_chance() -> None:
    generator = numbers(7)
    truth = generator.standard_normal(400)
    reached = truth[:, None, None] + generator.standard_normal((400, SEEDS, 1)) + np.zeros((1, 1, 3))
    limit = ceiling([reached], halves=5).value
    assert float(spearman(truth, mean_outcome([reached]))) == pytest.approx(limit, abs=0.03)


def test_queries_that_decide_which_set_is_best_lower_the_agreement_of_halves() -> None:
    assert ceiling([outcomes(by_query=5.0)], halves=20).queries < ceiling([outcomes(by_query=0.1)], halves=20).queries
