from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyrite.errors import DataError
from pyrite.metrics.eci import EciSem, EciV1, eci_sem, eci_v1
from pyrite.metrics.groups import Groups, Similarities

COSINES = st.floats(-1, 1, width=32)


def v1(right: list[float], wrong: list[float], **choices: object) -> float:
    groups = Groups.of_lists([list(range(len(right)))], [list(range(len(wrong)))])
    found = eci_v1(groups, Similarities(np.array(right), np.array(wrong)), EciV1(**choices))  # type: ignore[arg-type]
    return float(found.values[0])


@pytest.mark.parametrize("positive", [0.0, -0.2])
def test_nothing_is_safe_relative_to_a_positive_that_is_not_alike(positive: float) -> None:
    groups, scores = Groups.of_lists([[0]], [[0]]), Similarities(np.array([positive]), np.array([-0.4]))
    assert eci_v1(groups, scores, EciV1(safety="relative")).safety.tolist() == [0.0]
    assert eci_v1(groups, scores).safety[0] > 0


# One positive at .8, negatives at .4 and -.2: C = ln 3, H = (.4 + 0) / 2 = .2, S = .4, E = .16 / .6.
def test_a_query_by_hand() -> None:
    assert math.isclose(v1([0.8], [0.4, -0.2]), math.log(3) * 0.16 / 0.6)


@pytest.mark.parametrize(
    ("choices", "hardness", "safety"),
    [
        ({"hardness": "max"}, 0.4, 0.4),
        ({"safety": "half"}, 0.2, 0.2),
        ({"safety": "relative"}, 0.2, 0.5),
    ],
)
def test_the_choices_by_hand(choices: dict[str, str], hardness: float, safety: float) -> None:
    efficiency = 2 * hardness * safety / (hardness + safety)
    assert math.isclose(v1([0.8], [0.4, -0.2], **choices), math.log(3) * efficiency)


# Positives at .8 and .6 beside a negative at .4: E = .4 with the first (S = .4), 2 * .08 / .6 with the second (S = .2).
@pytest.mark.parametrize(("positives", "efficiency"), [("max", 0.4), ("min", 0.8 / 3), ("each", (0.4 + 0.8 / 3) / 2)])
def test_several_positives_by_hand(positives: str, efficiency: float) -> None:
    assert math.isclose(v1([0.8, 0.6], [0.4], positives=positives), math.log(2) * efficiency)


# s_rand .6, positive at .8, negatives at .7 and .65: scaled .5 and .25, so that H = .375 and S = .5.
def test_the_scale_between_random_documents_and_the_positive_by_hand() -> None:
    groups = Groups.of_lists([[0], [0], [0]], [[0, 1], [2], [3]])
    scores = Similarities(np.array([0.8, 0.5, 0.5]), np.array([0.7, 0.65, 0.1, 0.4]))
    narrow = EciV1(scale="random-to-positive")
    found = eci_v1(groups, scores, narrow, random=np.array([0.6, 0.5, 0.7]))
    assert math.isclose(found.hardness[0], 0.375)
    assert math.isclose(found.safety[0], 0.5)
    # Positives that random documents reach: nothing is safe beside them.
    assert found.safety[1:].tolist() == found.values[1:].tolist() == [0.0, 0.0]
    with pytest.raises(DataError, match="wants `random`, one number for each of 3 queries"):
        eci_v1(groups, scores, narrow)


def test_a_query_without_negatives_has_the_value_0_and_no_components() -> None:
    groups = Groups.of_lists([[0], [1]], [[], [0]])
    found = eci_v1(groups, Similarities(np.array([0.8, 0.8]), np.array([0.9])))
    assert found.values.tolist() == [0.0, 0.0]
    assert np.isnan([found.hardness[0], found.safety[0], found.efficiency[0]]).all()
    assert found.unsafe_share() == 1.0  # of the one query with negatives
    assert math.isnan(eci_v1(Groups.of_lists([], []), Similarities(np.zeros(0), np.zeros(0))).score())


def test_the_set_is_the_mean_of_its_queries_or_of_their_components() -> None:
    groups = Groups.of_lists([[0], [1]], [[0], [1]])
    scores = Similarities(np.array([0.8, 0.8]), np.array([0.4, 0.8]))
    assert math.isclose(eci_v1(groups, scores).score(), math.log(2) * 0.4 / 2)
    means = eci_v1(groups, scores, EciV1(efficiency="of-means"))
    assert math.isclose(means.score(), math.log(2) * 2 * 0.6 * 0.2 / 0.8)
    assert math.isclose(means.score(np.array([0, 0])), math.log(2) * 0.4)


def test_hardness_by_the_trainee_and_safety_by_a_judge() -> None:
    groups = Groups.of_lists([[0]], [[0]])
    trainee, judge = Similarities(np.array([0.5]), np.array([0.6])), Similarities(np.array([0.9]), np.array([0.5]))
    assert eci_v1(groups, trainee).values[0] == 0  # by itself, it would throw out what it should learn from
    found = eci_v1(groups, trainee, judge=judge)
    assert math.isclose(found.hardness[0], 0.6)
    assert math.isclose(found.safety[0], 0.4)


@given(st.lists(COSINES, min_size=1, max_size=4), st.lists(COSINES, min_size=1, max_size=6), st.data())
def test_properties_of_v1(positives: list[float], negatives: list[float], data: st.DataObject) -> None:
    value = v1(positives, negatives)
    assert 0 <= value <= math.log(1 + len(negatives))
    assert math.isclose(v1(data.draw(st.permutations(positives)), data.draw(st.permutations(negatives))), value)
    # A negative as high as the best positive makes the query unsafe, however the others are.
    assert v1(positives, [*negatives, max(positives)]) == 0


def test_duplicated_queries_change_no_mean() -> None:
    random = np.random.default_rng(0)
    groups = Groups.of_padded(np.arange(6), random.integers(0, 20, (6, 3)))
    twice = Groups.of_padded(
        np.arange(6).repeat(2), groups.negatives.reshape(6, 3).repeat(2, axis=0), np.arange(6).repeat(2)
    )
    queries, documents = random.standard_normal((6, 5)), random.standard_normal((20, 5))
    assert math.isclose(eci_sem(twice, queries, documents).score(), eci_sem(groups, queries, documents).score())


def sem(query: list[float], positive: list[float], negatives: list[list[float]], **choices: object) -> float:
    groups = Groups.of_lists([[0]], [list(range(1, len(negatives) + 1))])
    documents = np.array([positive, *negatives])
    return float(eci_sem(groups, np.array([query]), documents, EciSem(**choices)).values[0])  # type: ignore[arg-type]


E = np.eye(4).tolist()


# q = p = e1. Both negatives have cosine .6 with it, and .8 of their length beside it, at right angles to each other:
# w = sigma(.4 / .05) e^(-.4 / .1), and each gives ln(1 + w .64 / 2).
def test_a_determinant_by_hand() -> None:
    negatives = [[0.6, 0.8, 0, 0], [0.6, 0, 0.8, 0]]
    weight = math.exp(-4) / (1 + math.exp(-8))
    assert math.isclose(sem(E[0], E[0], negatives), 2 * math.log1p(weight * 0.64 / 2))
    assert math.isclose(sem(E[0], E[0], negatives, total="sum"), 2 * math.log1p(weight * 0.64))
    # Twice the same direction spans less than two: ln(1 + w .64).
    assert math.isclose(sem(E[0], E[0], negatives[:1] * 2), math.log1p(weight * 0.64))
    # n - p = (-.4, .8): its square is .8.
    assert math.isclose(sem(E[0], E[0], negatives[:1], residual="difference"), math.log1p(weight * 0.8))
    # Vectors twice as long, as they are: the residual's square is 4 times as large.
    longer = [[1.2, 1.6, 0, 0]]
    assert math.isclose(sem(E[0], E[0], longer), math.log1p(weight * 0.64))
    assert math.isclose(sem(E[0], E[0], longer, normalised=False), math.log1p(weight * 2.56))
    # A positive three times as long: n - p = (1.2 - 3, 1.6), its square 5.8.
    difference = sem(E[0], [3.0, 0, 0, 0], longer, normalised=False, residual="difference")
    assert math.isclose(difference, math.log1p(weight * 5.8))


@pytest.mark.parametrize("positive", [E[0], [-2.0, 0, 0, 0], [1.0, 1e-18, 0, 0]])
def test_a_positive_that_adds_no_direction_takes_none_away(positive: list[float]) -> None:
    negative = [0.6, 0.8, 0.0, 0.0]
    groups = Groups.of_lists([[0]], [[1]])
    found = eci_sem(groups, np.array([E[0]]), np.array([positive, negative]))
    assert math.isclose(found.residual[0], 0.64)


def test_a_negative_between_query_and_positive_adds_nothing() -> None:
    assert sem(E[0], E[1], [[0.6, 0.8, 0, 0], E[0], E[1], [0, 0, 0, 0]]) < 1e-15


def test_float32_sees_a_copy_of_the_query_as_parallel() -> None:
    random = np.random.default_rng(0)
    queries = random.standard_normal((50, 300))
    documents = np.concatenate([queries * 1.7, random.standard_normal((50, 300))])
    groups = Groups.of_padded(np.arange(50), np.arange(50, 100)[:, None])
    small, large = (eci_sem(groups, queries.astype(kind), documents.astype(kind)) for kind in (np.float32, np.float64))
    np.testing.assert_allclose(small.residual, large.residual, rtol=1e-5)


VECTORS = arrays(np.float64, (9, 4), elements=st.floats(-1, 1, width=32))


@given(VECTORS, st.floats(0, 1), st.integers(0, 4))
@settings(max_examples=60)
def test_properties_of_sem(vectors: np.ndarray, known: float, split: int) -> None:
    queries, documents = vectors[:1], vectors[1:]
    negatives = list(range(1, 8))
    whole = eci_sem(Groups.of_lists([[0]], [negatives]), queries, documents)
    assert whole.values[0] >= 0
    turned = eci_sem(Groups.of_lists([[0]], [negatives[::-1]]), queries, documents)
    assert math.isclose(turned.values[0], whole.values[0], abs_tol=1e-12)
    residuality = np.full(7, known)
    less = eci_sem(Groups.of_lists([[0]], [negatives]), queries, documents, residuality=residuality)
    assert less.values[0] <= whole.values[0] + 1e-12
    # Of a sum, no negative takes anything away.
    summed = [
        eci_sem(Groups.of_lists([[0]], [negatives[:count]]), queries, documents, EciSem(total="sum")).values[0]
        for count in (split, split + 1)
    ]
    assert summed[0] <= summed[1] + 1e-12


@given(VECTORS)
@settings(max_examples=60)
def test_a_hybrid_is_never_below_the_mean_of_its_halves(vectors: np.ndarray) -> None:
    queries, documents = vectors[:1], vectors[1:]
    one, other, both = (
        eci_sem(Groups.of_lists([[0]], [rows]), queries, documents).values[0]
        for rows in ([1, 2, 3], [4, 5, 6], [1, 2, 3, 4, 5, 6])
    )
    assert both >= (one + other) / 2 - 1e-12


def test_a_hybrid_of_random_halves_is_near_the_mean_of_its_parts() -> None:
    random = np.random.default_rng(0)
    queries = random.standard_normal((200, 64)) + 1
    documents = np.concatenate(
        [queries + 0.5 * random.standard_normal((200, 64)), random.standard_normal((900, 64)) + 1]
    )
    one, other = random.integers(200, 500, (200, 8)), random.integers(500, 1100, (200, 8))
    mixed = np.concatenate([one[:, :4], other[:, :4]], axis=1)
    values = [
        eci_sem(Groups.of_padded(np.arange(200), rows), queries, documents).score() for rows in (one, other, mixed)
    ]
    assert math.isclose(values[2], (values[0] + values[1]) / 2, rel_tol=0.1)


@pytest.mark.parametrize("block", [1, 7, 100])
@pytest.mark.parametrize("positives", ["max", "each"])
def test_blocks_change_nothing(block: int, positives: str) -> None:
    random = np.random.default_rng(0)
    lists = [random.permutation(30)[: 2 + row % 5].tolist() for row in range(17)]
    groups = Groups.of_lists([row[:2] for row in lists], [row[2:] for row in lists])
    tables = random.standard_normal((17, 8)), random.standard_normal((30, 8))
    chosen = EciSem(positives=positives)  # type: ignore[arg-type]
    blocked, whole = (eci_sem(groups, *tables, chosen, block_pairs=size) for size in (block, 10_000))
    for name in ("values", "consistency", "locality", "residual"):
        np.testing.assert_allclose(getattr(blocked, name), getattr(whole, name), rtol=1e-12)


def test_each_positive_is_the_mean_over_queries_with_one() -> None:
    random = np.random.default_rng(0)
    queries, documents = random.standard_normal((1, 5)), random.standard_normal((6, 5))
    each = eci_sem(Groups.of_lists([[0, 1]], [[2, 3, 4]]), queries, documents, EciSem(positives="each"))
    single = [eci_sem(Groups.of_lists([[row]], [[2, 3, 4]]), queries, documents) for row in (0, 1)]
    assert math.isclose(each.values[0], (single[0].values[0] + single[1].values[0]) / 2)
    np.testing.assert_allclose(each.consistency, (single[0].consistency + single[1].consistency) / 2)


def test_consistency_by_a_judge() -> None:
    judge = Similarities(np.array([0.5]), np.array([0.5]))
    found = eci_sem(Groups.of_lists([[0]], [[1]]), np.array([E[0]]), np.array([E[0], E[1]]), judge=judge)
    assert math.isclose(found.consistency[0], 0.5)


def test_components_are_means_of_a_querys_negatives() -> None:
    groups = Groups.of_lists([[0], [0]], [[1, 0], []])
    found = eci_sem(groups, np.array([E[0]] * 2), np.array([E[0], E[1]]))
    assert math.isclose(found.components()["residual"][0], 0.5)
    assert np.isnan(found.components()["residual"][1])
    assert found.values[1] == 0
    np.testing.assert_allclose(found.per_dimension(), found.values / 4)


@pytest.mark.parametrize(
    ("residuality", "message"),
    [(np.ones(2), r"wants \(1,\)"), (np.array([1.5]), "no number from 0 to 1"), (np.array([np.nan]), "no number")],
)
def test_residuality_that_is_none(residuality: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        eci_sem(Groups.of_lists([[0]], [[1]]), np.ones((1, 2)), np.eye(2), residuality=residuality)


def test_any_order_of_queries_gives_the_same_values() -> None:
    random = np.random.default_rng(0)
    queries, documents = random.standard_normal((3, 4)), random.standard_normal((8, 4))
    negatives = [[3], [4, 5], [6, 7, 3]]
    values = eci_sem(Groups.of_lists([[0], [1], [2]], negatives), queries, documents).values
    for order in permutations(range(3)):
        turned = Groups.of_lists([[row] for row in order], [negatives[row] for row in order], order)
        np.testing.assert_allclose(eci_sem(turned, queries, documents).values, values[list(order)], rtol=1e-12)
