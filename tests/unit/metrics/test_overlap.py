from __future__ import annotations

import math

import numpy as np
import pytest

import pyrite.metrics.overlap as module
from pyrite.metrics.groups import Groups, Units
from pyrite.metrics.overlap import Terms, TermSets, lexical_residuality


def sets(texts: list[list[int]]) -> TermSets:
    return TermSets.of(
        np.array([term for text in texts for term in text], dtype=np.int64), np.cumsum([0, *map(len, texts)])
    )


def test_a_copy_has_no_residual_and_a_stranger_all_of_it() -> None:
    terms = Terms(sets([[0, 1]]), sets([[2, 3, 3], [3, 2], [0, 4], [5], []]), 6)
    groups = Groups.of_lists([[0]], [[1, 2, 3, 4]])
    found = lexical_residuality(groups, Units.of(groups, np.ones(1), "max"), terms)
    weights = terms.weights
    np.testing.assert_allclose(found, [0, weights[4] / (weights[0] + weights[4]), 1, 1], atol=1e-15)


def test_rare_terms_weigh_more() -> None:
    weights = Terms(sets([[0]]), sets([[0, 1], [0], [0]]), 3).weights
    np.testing.assert_allclose(weights, [math.log(1 + 0.5 / 3.5), math.log(1 + 2.5 / 1.5), math.log(1 + 3.5 / 0.5)])


@pytest.mark.parametrize("block", [1, 1 << 20])
def test_it_is_the_share_of_sets(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(module, "_BLOCK_TERMS", block)
    random = np.random.default_rng(0)
    texts = [random.integers(0, 12, size).tolist() for size in random.integers(0, 9, 30)]
    queries = [random.integers(0, 12, 3).tolist() for _ in range(8)]
    terms = Terms(sets(queries), sets(texts), 12)
    lists = [random.permutation(30)[: 2 + row].tolist() for row in range(8)]
    groups = Groups.of_lists([row[:2] for row in lists], [row[2:] for row in lists])
    units = Units.of(groups, np.ones(16), "each")
    found = lexical_residuality(groups, units, terms)
    place = 0
    for query, positive in zip(units.query, units.positive, strict=True):
        known = set(queries[query]) | set(texts[groups.positives[positive]])
        for row in lists[query][2:]:
            own = set(texts[row])
            total = sum(terms.weights[list(own)])
            shared = sum(terms.weights[list(own & known)])
            assert math.isclose(found[place], 1 - shared / total if total else 1.0, abs_tol=1e-12)
            place += 1
    assert place == len(found)


def test_no_terms_at_all() -> None:
    groups = Groups.of_lists([[0]], [[1]])
    found = lexical_residuality(groups, Units.of(groups, np.ones(1), "max"), Terms(sets([[]]), sets([[], []]), 0))
    assert found.tolist() == [1.0]
