from __future__ import annotations

import math

import pytest
import torch

from pyrite.train.losses import DebiasedContrastive, HardContrastive, InfoNCE, Loss, LossBatch

E = math.e


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def square() -> LossBatch:
    """Three queries and positives; query 1 has the cosines 1, 0 and -1, the others 0 or 1 and -1."""
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    return LossBatch.of(queries, queries.clone())


def test_the_estimate_by_hand() -> None:
    # Queries 1 and 3: pos e, negatives 1 and 1/e. Query 2: pos e, negatives 1 and 1. N = 2, t+ = .1, bound 2/e.
    estimates = [max((-0.2 * E + total) / 0.9, 2 / E) for total in (1 + 1 / E, 2.0, 1 + 1 / E)]
    expected = sum(-math.log(E / (E + estimate)) for estimate in estimates) / 3
    loss = DebiasedContrastive(temperature=1.0, class_prior=0.1)
    assert loss(square()).item() == pytest.approx(expected, rel=1e-12)


def test_hard_negatives_count_more_by_hand() -> None:
    # imp = neg^2. Query 1: neg 1 and 1/e, imp 1 and e^-2: (1 + e^-3) / ((1 + e^-2) / 2). Query 2: both 1, so 2.
    first = (1 + E**-3) / ((1 + E**-2) / 2)
    estimates = [max((-0.02 * E + total) / 0.99, 2 / E) for total in (first, 2.0, first)]
    expected = sum(-math.log(E / (E + estimate)) for estimate in estimates) / 3
    loss = HardContrastive(temperature=1.0, class_prior=0.01, beta=2.0)
    assert loss(square()).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [DebiasedContrastive(), HardContrastive(beta=0.0)])
def test_without_a_prior_it_is_in_batch_infonce(loss: Loss) -> None:
    queries, positives, negatives = draw(6, 8), draw(6, 8, seed=1), draw(6, 3, 8, seed=2)
    known = torch.zeros(6, 24, dtype=torch.bool)
    known[2, 4] = True
    found = loss(LossBatch.of(queries, positives, negatives, known=known))
    assert found.item() == pytest.approx(InfoNCE()(LossBatch.of(queries, positives, known=known[:, :6])).item())


@pytest.mark.parametrize("beta", [None, 0.0, 1.0, 0.5])
def test_value_and_gradient_match_the_plain_formula(beta: float | None) -> None:
    ours, theirs = ([draw(5, 6).requires_grad_(), draw(5, 6, seed=1).requires_grad_()] for _ in range(2))
    prior, t = 0.1, 0.5
    kind = {"temperature": t, "class_prior": prior}
    loss = DebiasedContrastive(**kind) if beta is None else HardContrastive(**kind, beta=beta)
    found = loss(LossBatch.of(*ours))
    losses = []
    for i in range(5):
        e = [torch.exp(torch.cosine_similarity(theirs[0][i], d, dim=0) / t) for d in theirs[1]]
        negatives = torch.stack([e[j] for j in range(5) if j != i])
        weights = torch.ones_like(negatives) if beta is None else negatives**beta
        total = (weights * negatives).sum() / weights.mean()
        estimate = torch.clamp((-prior * 4 * e[i] + total) / (1 - prior), min=4 * math.exp(-1 / t))
        losses.append(-torch.log(e[i] / (e[i] + estimate)))
    reference = torch.stack(losses).mean()
    found.backward()
    reference.backward()
    assert found.item() == pytest.approx(reference.item(), rel=1e-12)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", [DebiasedContrastive, HardContrastive])
@pytest.mark.parametrize("prior", [0.0, 0.1])
def test_a_small_temperature_stays_a_number_in_32_bits(kind: type[DebiasedContrastive], prior: float) -> None:
    queries = draw(4, 3, dtype=torch.float32).requires_grad_()
    # The first positive is the opposite of its query: at .01, a factor of e^-100 and less.
    positives = torch.cat([-queries[:1].detach(), queries[1:].detach()])
    loss = kind(temperature=0.01, class_prior=prior)(LossBatch.of(queries, positives))
    loss.backward()
    assert loss.isfinite()
    assert queries.grad is not None
    assert queries.grad.isfinite().all()


@pytest.mark.parametrize("kind", [DebiasedContrastive, HardContrastive])
def test_a_query_without_negatives_has_no_loss(kind: type[DebiasedContrastive]) -> None:
    queries = draw(1, 3).requires_grad_()
    loss = kind(class_prior=0.1)(LossBatch.of(queries, draw(1, 3, seed=1), draw(1, 2, 3, seed=2)))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-12)
    assert queries.grad is not None
    assert queries.grad.isfinite().all()


def test_facts_tell_how_often_the_bound_stands_in() -> None:
    # With t+ = .2: (-.4 e + 1 + 1/e) / .8 = .35 is below 2/e = .74, (-.4 e + 2) / .8 = 1.14 is above.
    facts = DebiasedContrastive(temperature=1.0, class_prior=0.2).facts(square())
    assert facts["clamped-share"] == pytest.approx(2 / 3)
    assert DebiasedContrastive().facts(square())["clamped-share"] == 0.0
