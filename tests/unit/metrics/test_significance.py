"""The paired tests against values worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pyrite.errors import DataError, SettingsError
from pyrite.metrics import bootstrap_interval, bootstrap_means, randomisation_test, significance


def test_all_signs_are_counted_for_few_queries() -> None:
    """Differences .1, .2, .3: only + + + and - - - reach .6; with .1 negative, the sum .4 is reached by 4 of 8."""
    zeros = [0.0, 0.0, 0.0]
    assert randomisation_test([0.1, 0.2, 0.3], zeros) == 2 / 8
    assert randomisation_test([-0.1, 0.2, 0.3], zeros) == 4 / 8


def test_twelve_queries_of_one_sign() -> None:
    assert randomisation_test(np.full(12, 0.3), np.zeros(12)) == 2 / 2**12


def test_queries_that_do_not_differ_tell_nothing() -> None:
    assert randomisation_test([0.5, 0.5], [0.5, 0.5]) == 1.0
    few = randomisation_test([0.1, 0.2, 0.3], [0.0, 0.0, 0.0])
    assert randomisation_test([0.1, 0.2, 0.3, *[0.7] * 50], [0.0, 0.0, 0.0, *[0.7] * 50]) == few


def test_drawn_signs_agree_with_counted_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.array([0.3, -0.1, 0.25, 0.05, -0.2, 0.4, 0.1, 0.15, -0.05, 0.2])
    signs = np.array(list(itertools.product((-1, 1), repeat=10)))
    counted = np.mean(np.abs(signs @ differences) >= differences.sum() - 1e-12)
    assert randomisation_test(differences, np.zeros(10)) == counted
    monkeypatch.setattr(significance, "_EXACT_UP_TO", 0)
    drawn = randomisation_test(differences, np.zeros(10), rounds=50_000)
    # Five standard deviations of a share drawn 50,000 times.
    assert drawn == pytest.approx(counted, abs=5 * np.sqrt(counted * (1 - counted) / 50_000))


def test_a_drawn_p_is_never_0() -> None:
    assert randomisation_test(np.ones(40), np.zeros(40), rounds=999) == 1 / 1000


def test_the_test_is_two_sided_and_symmetric() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.random(60), generator.random(60)
    assert randomisation_test(a, b) == randomisation_test(b, a)


def test_p_is_uniform_where_there_is_no_difference() -> None:
    generator = np.random.default_rng(5)
    ps = [randomisation_test(generator.random(30), generator.random(30), rounds=200) for _ in range(400)]
    assert np.mean(np.array(ps) < 0.1) == pytest.approx(0.1, abs=0.05)
    assert np.mean(ps) == pytest.approx(0.5, abs=0.06)


def test_interval_of_two_queries() -> None:
    """Means of two draws from {0, 1}: 0 with 1/4, 1/2 with 1/2, 1 with 1/4."""
    assert bootstrap_interval([1.0, 0.0], [0.0, 0.0]) == (0.0, 1.0)
    assert bootstrap_interval([1.0, 0.0], [0.0, 0.0], level=0.4) == (0.5, 0.5)


def test_interval_is_that_of_the_normal_distribution_for_many_queries() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(0.6, 0.2, 2000), generator.normal(0.5, 0.2, 2000)
    error = np.std(a - b) / np.sqrt(2000)
    low, high = bootstrap_interval(a, b, rounds=20_000)
    assert low == pytest.approx(np.mean(a - b) - 1.96 * error, abs=0.1 * error)
    assert high == pytest.approx(np.mean(a - b) + 1.96 * error, abs=0.1 * error)


def test_a_higher_level_is_wider() -> None:
    generator = np.random.default_rng(2)
    a, b = generator.random(50), generator.random(50)
    narrow, wide = bootstrap_interval(a, b, level=0.8), bootstrap_interval(a, b, level=0.99)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_seed_decides() -> None:
    generator = np.random.default_rng(4)
    a, b = generator.random(50), generator.random(50)
    assert bootstrap_interval(a, b, seed=1) == bootstrap_interval(a, b, seed=1) != bootstrap_interval(a, b, seed=2)
    assert randomisation_test(a, b, seed=1) == randomisation_test(a, b, seed=1)


@pytest.mark.parametrize("test", [randomisation_test, bootstrap_interval])
def test_bad_input_is_refused(test: object) -> None:
    assert callable(test)
    with pytest.raises(DataError, match=r"the shapes are \(2,\) and \(3,\)"):
        test([1, 2], [1, 2, 3])
    with pytest.raises(DataError, match="at least one query"):
        test([], [])
    with pytest.raises(DataError, match="not a finite number"):
        test([1.0, float("nan")], [0.0, 0.0])
    with pytest.raises(SettingsError, match="rounds is at least 1, not 0"):
        test([1.0], [0.0], rounds=0)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(SettingsError, match="level is above 0 and below 1"):
        bootstrap_interval([1.0], [0.0], level=level)


def test_means_of_systems_are_drawn_over_the_same_queries() -> None:
    values = np.random.default_rng(0).random(50)
    draws = bootstrap_means([values, values + 0.25], rounds=400)
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 0.25)
    low, high = bootstrap_interval(values, np.zeros(50), rounds=20_000)
    np.testing.assert_allclose(np.quantile(draws[:, 0], [0.025, 0.975]), [low, high], atol=0.02)


def test_means_leave_out_what_is_not_there() -> None:
    """Three queries, one without a value: a draw has it 0 to 3 times, and then 3 to 0 of the others."""
    draws = bootstrap_means([[0.0, 1.0, float("nan")]], rounds=2000)[:, 0]
    assert set(np.round(draws[~np.isnan(draws)], 6)) == {0.0, 0.333333, 0.5, 0.666667, 1.0}
    assert abs(np.isnan(draws).mean() - 1 / 27) < 0.02


@pytest.mark.parametrize("values", [[], [[]], [1.0]])
def test_means_want_systems_and_queries(values: list[object]) -> None:
    with pytest.raises(DataError, match=r"wants \(systems, queries\)"):
        bootstrap_means(values)
    with pytest.raises(SettingsError, match="rounds is at least 1"):
        bootstrap_means([[1.0]], rounds=0)
