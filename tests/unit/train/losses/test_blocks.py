from __future__ import annotations

import dataclasses

import pytest
import torch

from pyrite.train.losses import (
    DebiasedContrastive,
    GuidedInfoNCE,
    HardContrastive,
    InfoNCE,
    KLDistillation,
    Loss,
    LossBatch,
    MarginMSE,
    Matryoshka,
    MultiPositiveInfoNCE,
    SoftLabels,
    SumOfLosses,
    WeightedLoss,
)
from pyrite.train.losses.blocks import block_rows, in_blocks

SIZE, MINED, MORE, DIMENSION = 7, 3, 2, 6
LOSSES: list[Loss] = [
    InfoNCE(),
    InfoNCE(directions="both", hardness=5.0, learn_temperature=True),
    InfoNCE(candidates="own", weigh="examples"),
    MultiPositiveInfoNCE(combine="each"),
    MultiPositiveInfoNCE(combine="together"),
    MultiPositiveInfoNCE(combine="any", learn_temperature=True),
    GuidedInfoNCE(temperature=0.05, margin=0.1),
    GuidedInfoNCE(by="teacher", margin=0.1, margin_kind="relative"),
    DebiasedContrastive(class_prior=0.05, temperature=0.5),
    HardContrastive(class_prior=0.05, temperature=0.5),
    MarginMSE(learn_scale=True),
    KLDistillation(softening=2.0),
    SoftLabels(),
    SoftLabels(divergence="jensen-shannon", learn_temperature=True),
    SumOfLosses(terms=(WeightedLoss(loss=InfoNCE(learn_temperature=True)), WeightedLoss(loss=MarginMSE(), weight=0.5))),
    Matryoshka(loss=MultiPositiveInfoNCE(), dims=(6, 3), weights=(1.0, 0.3)),
]
# What a teacher scored is no guess, and "together" wants all positives equally near.
GUESSING = [
    loss
    for loss in LOSSES
    if not loss.wants() & {"teacher scores", "margins"} and getattr(loss, "combine", None) != "together"
]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.type)


def draw(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch() -> LossBatch:
    """Everything that a loss may look at, with gaps: padding, known positives, missing scores."""
    generator = torch.Generator().manual_seed(9)
    documents = SIZE * (1 + MINED + MORE)
    teacher = draw(SIZE, 1 + MINED, seed=3) * 3
    teacher[2] = teacher[4, 2] = teacher[5, 0] = torch.nan
    return LossBatch.of(
        draw(SIZE, DIMENSION, seed=0).requires_grad_(),
        draw(SIZE, DIMENSION, seed=1).requires_grad_(),
        draw(SIZE, MINED, DIMENSION, seed=2).requires_grad_(),
        draw(SIZE, MORE, DIMENSION, seed=6).requires_grad_(),
        present=torch.rand(SIZE, MINED, generator=generator) < 0.8,
        known=torch.rand(SIZE, documents, generator=generator) < 0.1,
        weights=torch.rand(SIZE, MINED, generator=generator, dtype=torch.float64) * 3,
        example_weights=torch.rand(SIZE, generator=generator, dtype=torch.float64) * 3,
        teacher=teacher,
        guide_queries=draw(SIZE, 4, seed=7),
        guide_documents=draw(documents, 4, seed=8),
    )


def gradients(loss: Loss, rows: int) -> list[torch.Tensor]:
    """Value, then the gradients on vectors and parameters. The loss counts twice: what comes from above must count."""
    given = batch()
    leaves = [given.queries, given.documents.detach().requires_grad_()]
    parameters = {name: torch.tensor(first, requires_grad=True) for name, first in loss.parameters().items()}
    found = in_blocks(loss, given.with_vectors(*leaves), parameters, rows)
    (2 * found).backward()
    return [found.detach(), *(leaf.grad for leaf in [*leaves, *parameters.values()])]


@each_loss
@pytest.mark.parametrize("rows", [1, 3, 6])
def test_blocks_give_the_whole(loss: Loss, rows: int) -> None:
    whole = gradients(loss, SIZE)
    for mine, expected in zip(gradients(loss, rows), whole, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-6, atol=1e-12)
    assert whole[1].abs().max() > 0


@each_loss
def test_blocks_work_without_gradients(loss: Loss) -> None:
    with torch.no_grad():
        assert in_blocks(loss, batch(), None, 2).item() == pytest.approx(loss(batch()).item(), rel=1e-9)


@each_loss
def test_views_add_up_to_the_whole(loss: Loss) -> None:
    """As where each of several processes has a share of the queries."""
    given = batch()
    shares = [in_blocks(loss, given.rows(start, stop), None, 2) for start, stop in ((0, 3), (3, 4), (4, SIZE))]
    assert sum(share.item() for share in shares) == pytest.approx(loss(given).item(), rel=1e-9)


@each_loss
def test_padding_gets_no_gradient_and_changes_nothing(loss: Loss) -> None:
    given = batch()
    documents = given.documents.detach()
    moved = documents.clone()
    moved[~given.candidates] = 77.0
    for vectors in (documents, moved):
        vectors.requires_grad_()
        loss(given.with_vectors(given.queries, vectors)).backward()
        assert vectors.grad is not None
        assert vectors.grad[~given.candidates].abs().max() == 0
    torch.testing.assert_close(documents.grad, moved.grad)


@pytest.mark.parametrize("loss", GUESSING, ids=lambda loss: loss.type)
def test_a_known_positive_is_never_pushed_away(loss: Loss) -> None:
    """Another query's positive that is known, or a copy, gets no gradient from a query as its negative."""
    vectors = draw(2, 4, seed=3).requires_grad_()
    known = torch.tensor([[False, True], [False, False]])
    guide = {"guide_queries": torch.eye(2, 3), "guide_documents": torch.eye(2, 3)}
    given = LossBatch.of(draw(2, 4, seed=4), vectors, known=known, **guide)
    if isinstance(loss, Matryoshka):
        loss = loss.model_copy(update={"dims": (4, 2)})
    loss(given.rows(0, 1)).backward()
    assert vectors.grad is not None
    cosine = torch.cosine_similarity(given.queries[0], vectors[1], dim=0)
    (towards,) = torch.autograd.grad(cosine, vectors)
    # A step along the gradient of its cosine does not raise the loss.
    assert (vectors.grad[1] * towards[1]).sum() <= 1e-12


def test_blocks_are_as_large_as_4_million_logits_allow() -> None:
    assert block_rows(LossBatch.of(torch.ones(64, 2), torch.ones(64, 2), torch.ones(64, 10, 2))) >= 64
    big = LossBatch.of(torch.ones(4096, 2), torch.ones(4096, 2), known=torch.zeros(1, 1, dtype=torch.bool))
    assert block_rows(big) == 1024


def weighed(weights: list[float] | None) -> LossBatch:
    return dataclasses.replace(batch(), example_weights=None if weights is None else torch.tensor(weights).double())


def value_and_gradients(loss: Loss, given: LossBatch) -> list[torch.Tensor]:
    value = loss(given)
    return [value.detach(), *torch.autograd.grad(value, [given.queries, given.documents])]


@each_loss
def test_a_loss_is_linear_in_the_weights(loss: Loss) -> None:
    """So each weight multiplies one example's own term, and nothing that the sum is divided by."""
    weights = [0.0, 2.0, 0.5, 1.0, 0.0, 3.0, 0.25]
    found = value_and_gradients(loss, weighed(weights))
    alone = [value_and_gradients(loss, weighed(row)) for row in torch.eye(SIZE).tolist()]
    for place, mine in enumerate(found):
        expected = sum(weight * one[place] for weight, one in zip(weights, alone, strict=True))
        torch.testing.assert_close(mine, expected, rtol=1e-9, atol=1e-12)


@each_loss
def test_weights_of_1_change_no_bit(loss: Loss) -> None:
    for mine, expected in zip(
        value_and_gradients(loss, weighed([1.0] * SIZE)), value_and_gradients(loss, weighed(None)), strict=True
    ):
        assert torch.equal(mine, expected)


@each_loss
def test_an_example_of_weight_0_has_no_gradient_of_its_own(loss: Loss) -> None:
    """Seen alone, nothing moves; the others still have its documents for negatives."""
    weights = [1.0] * SIZE
    weights[3] = 0.0
    value, queries, documents = value_and_gradients(loss, weighed(weights).rows(3, 4))
    assert (value.item(), queries.abs().max().item(), documents.abs().max().item()) == (0, 0, 0)


# Hardness weights carry no gradient, on purpose: finite differences would see them.
@pytest.mark.parametrize(
    "loss", [loss for loss in LOSSES if not getattr(loss, "hardness", 0.0)], ids=lambda loss: loss.type
)
def test_gradients_are_those_of_finite_differences(loss: Loss) -> None:
    given = batch()

    def call(queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        return in_blocks(loss, given.with_vectors(queries, documents), None, 2)

    def moved(step: float) -> float:
        return float(call(given.queries.detach() + step * queries, given.documents.detach() + step * documents))

    leaves = [tensor.detach().requires_grad_() for tensor in (given.queries, given.documents)]
    gradients = torch.autograd.grad(call(*leaves), leaves)
    generator = torch.Generator().manual_seed(4)
    queries, documents = (torch.randn(leaf.shape, generator=generator, dtype=leaf.dtype) for leaf in leaves)
    slope = sum((gradient * way).sum() for gradient, way in zip(gradients, (queries, documents), strict=True))
    assert float(slope) == pytest.approx((moved(1e-6) - moved(-1e-6)) / 2e-6, rel=1e-4, abs=1e-7)
