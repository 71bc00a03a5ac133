from __future__ import annotations

from typing import Any

import pytest
import torch

from pyrite.errors import SettingsError
from pyrite.settings import Settings, canonical_hash, parse_settings
from pyrite.train.losses import (
    InfoNCE,
    KLDistillation,
    LossBatch,
    LossSettings,
    MarginMSE,
    Matryoshka,
    MultiPositiveInfoNCE,
    SumOfLosses,
    WeightedLoss,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(**fields: torch.Tensor) -> LossBatch:
    return LossBatch.of(draw(4, 8), draw(4, 8, seed=1), draw(4, 2, 8, seed=2), teacher=draw(4, 3, seed=3), **fields)


def test_a_sum_weighs_its_terms() -> None:
    terms = (WeightedLoss(loss=InfoNCE()), WeightedLoss(loss=KLDistillation(), weight=0.25))
    found = SumOfLosses(terms=terms)(batch())
    assert found.item() == pytest.approx((InfoNCE()(batch()) + 0.25 * KLDistillation()(batch())).item(), rel=1e-12)


def test_the_terms_of_a_sum_learn_apart() -> None:
    terms = (WeightedLoss(loss=InfoNCE(learn_temperature=True)), WeightedLoss(loss=MarginMSE(learn_scale=True)))
    loss = SumOfLosses(terms=terms)
    assert list(loss.parameters()) == ["1-log-temperature", "2-log-scale"]
    learnt = {name: torch.tensor(first, requires_grad=True) for name, first in loss.parameters().items()}
    found = loss(batch(), learnt)
    found.backward()
    assert found.item() == pytest.approx(loss(batch()).item(), rel=1e-6)
    assert all(scalar.grad is not None and scalar.grad != 0 for scalar in learnt.values())


def test_the_facts_of_a_sum_are_those_of_its_terms() -> None:
    twice = tuple(WeightedLoss(loss=InfoNCE(temperature=t, learn_temperature=True)) for t in (0.05, 0.1))
    facts = SumOfLosses(terms=twice).facts(batch())
    assert facts["temperature"] == 0.05
    assert facts["2-temperature"] == 0.1
    assert set(facts) == {"positive-cosine", "negative-cosine", "known-share", "temperature", "2-temperature"}


def test_matryoshka_adds_up_its_sizes() -> None:
    given = batch()
    cut = LossBatch.of(given.queries[:, :3], draw(4, 8, seed=1)[:, :3], draw(4, 2, 8, seed=2)[..., :3])
    found = Matryoshka(dims=(8, 3), weights=(1.0, 0.5))(given)
    assert found.item() == pytest.approx((InfoNCE()(given) + 0.5 * InfoNCE()(cut)).item(), rel=1e-12)


def test_matryoshka_equals_sentence_transformers() -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.sentence_transformer.losses.matryoshka import shrink

    inputs = [draw(4, 8, seed=i).requires_grad_() for i in range(3)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    ours = Matryoshka(dims=(8, 4, 2), weights=(1.0, 0.5, 0.25))(LossBatch.of(*inputs[:2], inputs[2][:, None]))
    peer = MultipleNegativesRankingLoss(None)
    theirs = sum(
        weight * peer.compute_loss_from_embeddings([shrink(twin, dim) for twin in twins], None)
        for dim, weight in ((8, 1.0), (4, 0.5), (2, 0.25))
    )
    ours.backward()
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for tensor, twin in zip(inputs, twins, strict=True):
        torch.testing.assert_close(tensor.grad, twin.grad, rtol=1e-8, atol=1e-12)


def test_a_wrapper_wants_what_its_losses_want() -> None:
    terms = (WeightedLoss(loss=KLDistillation()), WeightedLoss(loss=MultiPositiveInfoNCE(positives=5)))
    loss = Matryoshka(loss=SumOfLosses(terms=terms), dims=(2,))
    assert loss.wants() == {"teacher scores"}
    assert loss.positives_together() == 5


def test_a_size_beyond_the_vectors_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"loss\.dims: 16 is more than the 8 components"):
        Matryoshka(dims=(16, 4))(batch())


class Stage(Settings):
    loss: LossSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "triplet"}, "stage.loss"),
        ({"type": "matryoshka", "dims": []}, "stage.loss.matryoshka.dims"),
        ({"type": "matryoshka", "dims": [4, 4]}, "dims must be different numbers from 1, not 4, 4"),
        ({"type": "matryoshka", "dims": [4, 2], "weights": [1]}, "1 weights for 2 dims"),
        ({"type": "matryoshka", "dims": [4, 2], "weights": [1, -1]}, r"weights must be above 0, not 1.0, -1.0"),
        ({"type": "matryoshka", "dims": [4], "loss": {"type": "matryoshka", "dims": [2]}}, "loss.matryoshka.loss"),
        ({"type": "sum", "terms": []}, "stage.loss.sum.terms"),
        ({"type": "debiased", "class_prior": 1}, "class_prior"),
        ({"type": "kl", "teacher_temperature": 0}, "teacher_temperature"),
    ],
)
def test_what_is_not_allowed_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        parse_settings(Stage, {"loss": wrong}, "stage")


def test_every_type_is_part_of_the_identity() -> None:
    plain = ["infonce", "multi-positive", "guided", "debiased", "hard-contrastive", "margin-mse", "kl", "soft-labels"]
    losses = [{"type": name} for name in plain]
    losses += [{"type": "sum", "terms": [{"loss": loss}]} for loss in losses]
    losses += [{"type": "matryoshka", "dims": [8], "loss": loss} for loss in losses]
    parsed = [parse_settings(Stage, {"loss": loss}, "stage") for loss in losses]
    assert [stage.loss.type for stage in parsed[:8]] == plain
    assert len({canonical_hash(stage) for stage in parsed}) == 32
