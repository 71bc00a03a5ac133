from __future__ import annotations

import math

import pytest
import torch

from pyrite.train.losses import InfoNCE, LossBatch, MultiPositiveInfoNCE

E = math.e
COMBINE = ["each", "together", "any"]


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_query() -> LossBatch:
    """Cosines of 1 with its first positive, 0 with its second, -1 with its negative."""
    vectors = [[1.0, 0.0]], [[2.0, 0.0]], [[[-1.0, 0.0]]], [[[0.0, 3.0]]]
    return LossBatch.of(*(torch.tensor(values, dtype=torch.float64) for values in vectors))


@pytest.mark.parametrize(
    ("combine", "expected"),
    [
        ("each", (math.log((E + 1 / E) / E) + math.log(1 + 1 / E)) / 2),
        ("together", math.log(E + 1 + 1 / E) - 0.5),
        ("any", math.log((E + 1 + 1 / E) / (E + 1))),
    ],
)
def test_two_positives_and_a_negative(combine: str, expected: float) -> None:
    loss = MultiPositiveInfoNCE(temperature=1.0, combine=combine)
    assert loss(one_query()).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("combine", COMBINE)
def test_one_positive_is_infonce(combine: str) -> None:
    weights = draw(4, 2, seed=8).abs()
    batch = LossBatch.of(draw(4, 6), draw(4, 6, seed=1), draw(4, 2, 6, seed=2), weights=weights)
    ours, plain = MultiPositiveInfoNCE(combine=combine), InfoNCE()
    assert ours(batch).item() == pytest.approx(plain(batch).item(), rel=1e-12)


def test_each_is_the_mean_of_infonce_over_the_positives_in_turn() -> None:
    queries, positives, negatives, more = draw(1, 6), draw(1, 6, seed=1), draw(1, 3, 6, seed=2), draw(1, 1, 6, seed=3)
    both = MultiPositiveInfoNCE(combine="each")(LossBatch.of(queries, positives, negatives, more))
    turns = [InfoNCE()(LossBatch.of(queries, own, negatives)) for own in (positives, more[0])]
    assert both.item() == pytest.approx((turns[0] + turns[1]).item() / 2, rel=1e-12)


@pytest.mark.parametrize("combine", COMBINE)
def test_value_and_gradient_match_the_plain_formula(combine: str) -> None:
    size, mined, extra = 3, 2, 2
    given = [draw(size, 5), draw(size, 5, seed=1), draw(size, mined, 5, seed=2), draw(size, extra, 5, seed=3)]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in given] for _ in range(2))
    known = torch.zeros(size, size * (1 + mined + extra), dtype=torch.bool)
    known[0, 1] = known[1, 5] = True  # another query's positive, an own negative
    found = MultiPositiveInfoNCE(temperature=0.3, combine=combine)(LossBatch.of(*ours, known=known))

    documents = torch.cat([theirs[1], theirs[2].flatten(0, 1), theirs[3].flatten(0, 1)])
    losses = []
    for i in range(size):
        e = [torch.exp(torch.cosine_similarity(theirs[0][i], d, dim=0) / 0.3) for d in documents]
        first_more = size * (1 + mined) + i * extra
        own = {i, *range(first_more, first_more + extra)}
        positive = [c for c in range(len(e)) if c in own or known[i, c]]
        others = sum(e[c] for c in range(len(e)) if c not in positive)
        total = others + sum(e[c] for c in positive)
        if combine == "each":
            losses.append(sum(-torch.log(e[c] / (e[c] + others)) for c in positive) / len(positive))
        elif combine == "together":
            losses.append(sum(-torch.log(e[c] / total) for c in positive) / len(positive))
        else:
            losses.append(-torch.log((total - others) / total))
    reference = torch.stack(losses).mean()
    found.backward()
    reference.backward()
    assert found.item() == pytest.approx(reference.item(), rel=1e-12)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("combine", ["each", "any"])
def test_positives_alone_cost_nothing_and_leave_no_nan(combine: str) -> None:
    queries = draw(1, 4).requires_grad_()
    loss = MultiPositiveInfoNCE(combine=combine)(LossBatch.of(queries, draw(1, 4, seed=1), None, draw(1, 1, 4, seed=2)))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert queries.grad is not None
    assert queries.grad.abs().max() == pytest.approx(0.0, abs=1e-12)


def test_facts_count_the_positives() -> None:
    assert MultiPositiveInfoNCE().facts(one_query())["positives"] == 2.0
