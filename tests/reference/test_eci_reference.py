"""Both measures beside their formulas word for word, one query and one pair at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from pyrite.metrics.eci import EciSem, eci_sem, eci_v1
from pyrite.metrics.groups import Groups, cosines


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = math.sqrt(float(one @ one)) * math.sqrt(float(other @ other))
    return float(one @ other) / lengths if lengths else 0.0


def v1(positives: Sequence[float], negatives: Sequence[float]) -> float:
    if not negatives:
        return 0.0
    capacity = math.log(1 + len(negatives))
    hardness = sum(min(max(score, 0.0), 1.0) for score in negatives) / len(negatives)
    safety = min(max(max(positives) - max(negatives), 0.0), 1.0)
    return 0.0 if hardness + safety == 0 else capacity * 2 * hardness * safety / (hardness + safety)


def sem(
    query: np.ndarray,
    positive: np.ndarray,
    negatives: Sequence[np.ndarray],
    residuality: Sequence[float],
    *,
    summed: bool = False,
    difference: bool = False,
) -> float:
    """The determinant of the D x D matrix, of vectors of length 1."""
    matrix = np.zeros((len(query), len(query)))
    for negative, known in zip(negatives, residuality, strict=True):
        consistency = 1 / (1 + math.exp(-(cosine(query, positive) - cosine(query, negative)) / 0.05))
        locality = math.exp((cosine(positive, negative) - 1) / 0.1)
        if difference:
            residual = negative - positive
        else:
            span = np.stack([query, positive], axis=1)
            residual = negative - span @ np.linalg.lstsq(span, negative, rcond=1e-10)[0]
        matrix += consistency * locality * known * np.outer(residual, residual)
    if not summed and len(negatives):
        matrix /= len(negatives)
    return float(np.linalg.slogdet(np.eye(len(query)) + matrix)[1])


@pytest.fixture(scope="module")
def vectors() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    tables = random.standard_normal((12, 7)) + 1.0, random.standard_normal((60, 7)) + 1.0
    return tables[0], tables[1]


@pytest.fixture(scope="module")
def groups() -> Groups:
    """Twelve queries with one to three positives and none to eleven negatives, more than there are dimensions."""
    random = np.random.default_rng(5)
    lists: list[list[list[int]]] = [[], []]
    for query in range(12):
        documents = random.permutation(60)
        cut = 1 + query % 3
        lists[0].append(documents[:cut].tolist())
        lists[1].append(documents[cut : cut + query].tolist())
    return Groups.of_lists(*lists)


def parts(rows: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
    return [rows[start:stop] for start, stop in pairwise(starts)]


def test_v1_is_its_formula(vectors: tuple[np.ndarray, np.ndarray], groups: Groups) -> None:
    queries, documents = vectors
    wanted = [
        v1([cosine(query, documents[row]) for row in right], [cosine(query, documents[row]) for row in wrong])
        for query, right, wrong in zip(
            queries,
            parts(groups.positives, groups.positive_starts),
            parts(groups.negatives, groups.negative_starts),
            strict=True,
        )
    ]
    assert max(wanted) > 0
    np.testing.assert_allclose(eci_v1(groups, cosines(groups, queries, documents)).values, wanted, atol=1e-12)


@pytest.mark.parametrize("summed", [False, True])
@pytest.mark.parametrize("difference", [False, True])
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_sem_is_its_formula(
    vectors: tuple[np.ndarray, np.ndarray], groups: Groups, summed: bool, difference: bool, kind: type
) -> None:
    queries, documents = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in vectors)
    residuality = np.random.default_rng(6).random(len(groups.negatives))
    wanted = []
    for query, right, wrong, known in zip(
        queries,
        parts(groups.positives, groups.positive_starts),
        parts(groups.negatives, groups.negative_starts),
        parts(residuality, groups.negative_starts),
        strict=True,
    ):
        positive = max((documents[row] for row in right), key=lambda vector, query=query: cosine(query, vector))
        negatives = [documents[row] for row in wrong]
        wanted.append(sem(query, positive, negatives, known.tolist(), summed=summed, difference=difference))
    settings = EciSem(total="sum" if summed else "mean", residual="difference" if difference else "projection")
    found = eci_sem(groups, *(side.astype(kind) for side in vectors), settings, residuality=residuality)
    assert max(wanted) > 0.01
    np.testing.assert_allclose(found.values, wanted, atol=1e-10 if kind is np.float64 else 1e-5)
