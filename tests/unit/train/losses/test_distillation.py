from __future__ import annotations

import math

import pytest
import torch

from pyrite.train.losses import KLDistillation, Loss, LossBatch, MarginMSE, SoftLabels

E = math.e
NAN = math.nan


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def batch(teacher: list[list[float]] | None, **fields: torch.Tensor) -> LossBatch:
    """Two queries with the cosines 1, 0 and -1 of their positive and two negatives."""
    queries = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    negatives = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, -1.0]]], dtype=torch.float64)
    scores = None if teacher is None else torch.tensor(teacher, dtype=torch.float64)
    return LossBatch.of(queries, 3 * queries, negatives, teacher=scores, **fields)


def softmax(*logits: float) -> list[float]:
    total = sum(map(math.exp, logits))
    return [math.exp(logit) / total for logit in logits]


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


# --- MarginMSE


def test_margins_by_hand() -> None:
    # Student margins 1 and 2, times 3; teacher margins 4 and 5, then 1 and none.
    expected = ((3 - 4) ** 2 + (6 - 5) ** 2 + (3 - 1) ** 2) / 3
    found = MarginMSE(scale=3.0)(batch([[6.0, 2.0, 1.0], [2.0, 1.0, NAN]]))
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_margins_stand_before_scores_and_scores_fill_their_gaps() -> None:
    margins = torch.tensor([[0.0, NAN], [NAN, NAN]], dtype=torch.float64)
    found = MarginMSE(scale=1.0)(batch([[6.0, 2.0, 1.0], [NAN, 1.0, 2.0]], margins=margins))
    assert found.item() == pytest.approx(((1 - 0) ** 2 + (2 - 5) ** 2) / 2, rel=1e-12)


def test_margins_alone_are_enough() -> None:
    margins = torch.tensor([[1.0, 2.0], [1.0, 4.0]], dtype=torch.float64)
    assert MarginMSE(scale=1.0)(batch(None, margins=margins)).item() == pytest.approx((2 - 4) ** 2 / 4)


def test_margin_mse_equals_sentence_transformers_on_unit_vectors() -> None:
    from sentence_transformers.sentence_transformer.losses import MarginMSELoss

    inputs = [torch.nn.functional.normalize(draw(5, 8, seed=i), dim=-1).requires_grad_() for i in range(4)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    teacher = draw(5, 3, seed=9)
    ours = MarginMSE(scale=1.0)(LossBatch.of(inputs[0], inputs[1], torch.stack(inputs[2:], dim=1), teacher=teacher))
    theirs = MarginMSELoss(None).compute_loss_from_embeddings(twins, teacher)
    ours.backward()
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for tensor, twin in zip(inputs, twins, strict=True):
        # Cosines do not change along a vector: the gradients agree across it.
        along = (twin.grad * twin).sum(dim=1, keepdim=True) * twin
        torch.testing.assert_close(tensor.grad, (twin.grad - along).detach(), rtol=1e-8, atol=1e-12)


def test_a_learnt_scale_has_the_gradient_of_its_logarithm() -> None:
    loss = MarginMSE(scale=2.0, learn_scale=True)
    scalar = torch.tensor(loss.parameters()["log-scale"], dtype=torch.float64, requires_grad=True)
    given = batch([[6.0, 2.0, 1.0], [2.0, 1.0, NAN]])
    loss(given, {"log-scale": scalar}).backward()
    # d/da of the mean of (e^a m - f)^2 is the mean of 2 (e^a m - f) e^a m, at e^a = 2.
    assert scalar.grad is not None
    assert scalar.grad.item() == pytest.approx(2 * ((2 - 4) * 2 + (4 - 5) * 4 + (2 - 1) * 2) / 3)
    assert loss.facts(given)["scale"] == 2.0


# --- KL and soft labels


def test_kl_by_hand() -> None:
    expected = (kl(softmax(2, 1, 0), softmax(1, 0, -1)) + kl(softmax(0, 0, 4), softmax(1, 0, -1))) / 2
    found = KLDistillation(temperature=1.0, teacher_temperature=0.5)(batch([[1.0, 0.5, 0.0], [0.0, 0.0, 2.0]]))
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_softening_divides_both_and_keeps_the_size() -> None:
    expected = 9 * kl(softmax(2 / 3, 1 / 3, 0), softmax(2 / 3, 0, -2 / 3))
    loss = KLDistillation(temperature=0.5, softening=3.0)
    assert loss(batch([[2.0, 1.0, 0.0], [2.0, 1.0, 0.0]])).item() == pytest.approx(expected, rel=1e-9)


def test_the_divergences_by_hand() -> None:
    p, q = softmax(1, 0, -1), softmax(0, 0, 2)
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    given = batch([[0.0, 0.0, 2.0], [0.0, 0.0, 2.0]])
    jeffreys = SoftLabels(temperature=1.0)(given)
    shannon = SoftLabels(temperature=1.0, divergence="jensen-shannon")(given)
    assert jeffreys.item() == pytest.approx((kl(p, q) + kl(q, p)) / 2, rel=1e-9)
    assert shannon.item() == pytest.approx((kl(p, middle) + kl(q, middle)) / 2, rel=1e-9)
    assert 0 < shannon.item() < math.log(2)


DISTILLATIONS: list[Loss] = [
    KLDistillation(temperature=1.0),
    SoftLabels(temperature=1.0),
    SoftLabels(temperature=1.0, divergence="jensen-shannon"),
]


@pytest.mark.parametrize("loss", DISTILLATIONS, ids=["kl", "half-jeffreys", "jensen-shannon"])
def test_a_student_that_agrees_has_no_loss(loss: Loss) -> None:
    given = batch([[5.0, 4.0, 3.0], [1.0, 0.0, -1.0]])
    given.queries.requires_grad_()
    found = loss(given)
    found.backward()
    assert found.item() == pytest.approx(0.0, abs=1e-12)
    assert given.queries.grad is not None
    assert given.queries.grad.abs().max() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("loss", DISTILLATIONS, ids=["kl", "half-jeffreys", "jensen-shannon"])
def test_what_has_no_score_leaves_both_softmaxes(loss: Loss) -> None:
    """As if the document were not there; a query with one score is as if it were not there."""
    found = loss(batch([[1.0, NAN, 3.0], [NAN, NAN, 3.0]]))
    queries = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    without = LossBatch.of(queries, queries, -queries[None], teacher=torch.tensor([[1.0, 3.0]], dtype=torch.float64))
    assert found.item() == pytest.approx(loss(without).item(), rel=1e-9)
    assert found.item() > 0


@pytest.mark.parametrize("loss", DISTILLATIONS, ids=["kl", "half-jeffreys", "jensen-shannon"])
def test_an_unscored_document_has_no_gradient(loss: Loss) -> None:
    given = batch([[1.0, NAN, 3.0], [NAN, NAN, 3.0]])
    given.documents.requires_grad_()
    loss(given).backward()
    assert given.documents.grad is not None
    # Columns: positives, then two negatives each. The first of query 1 and all of query 2 take no part.
    moved = given.documents.grad.abs().sum(dim=1) > 0
    assert not moved[[1, 2, 4, 5]].any()


@pytest.mark.parametrize("loss", [*DISTILLATIONS, MarginMSE()])
def test_nothing_scored_is_no_loss_and_no_nan(loss: Loss) -> None:
    given = batch([[NAN, NAN, NAN], [1.0, NAN, NAN]])
    given.queries.requires_grad_()
    found = loss(given)
    found.backward()
    assert found.item() == 0.0
    assert given.queries.grad is not None
    assert given.queries.grad.abs().max() == 0.0


@pytest.mark.parametrize("divergence", ["kl", "half-jeffreys", "jensen-shannon"])
def test_value_and_gradient_match_the_plain_formula(divergence: str) -> None:
    t, t_f = 0.3, 0.7
    kind = {"temperature": t, "teacher_temperature": t_f}
    loss = KLDistillation(**kind) if divergence == "kl" else SoftLabels(**kind, divergence=divergence)
    given = [draw(3, 5), draw(3, 5, seed=1), draw(3, 4, 5, seed=2)]
    ours, theirs = ([tensor.clone().requires_grad_() for tensor in given] for _ in range(2))
    teacher = draw(3, 5, seed=3)
    teacher[1, 2] = NAN
    found = loss(LossBatch.of(*ours, teacher=teacher))
    losses = []
    for i in range(3):
        documents = [theirs[1][i], *theirs[2][i]]
        kept = [k for k in range(5) if not math.isnan(teacher[i, k])]
        cosines = torch.stack([torch.cosine_similarity(theirs[0][i], documents[k], dim=0) for k in kept])
        p, q = torch.softmax(cosines / t, dim=0), torch.softmax(teacher[i, kept] / t_f, dim=0)
        m = (p + q) / 2
        losses.append(
            {
                "kl": (q * (q / p).log()).sum(),
                "half-jeffreys": ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2,
                "jensen-shannon": ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2,
            }[divergence]
        )
    reference = torch.stack(losses).mean()
    found.backward()
    reference.backward()
    assert found.item() == pytest.approx(reference.item(), rel=1e-9)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("softening", [1.0, 2.0])
def test_kl_equals_sentence_transformers_on_unit_vectors(softening: float) -> None:
    from sentence_transformers.sentence_transformer.losses import DistillKLDivLoss
    from torch.nn.functional import normalize

    inputs = [normalize(draw(5, 8, seed=i), dim=-1).requires_grad_() for i in range(4)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    teacher = draw(5, 3, seed=9)
    loss = KLDistillation(temperature=0.2, teacher_temperature=0.8, softening=softening)
    ours = loss(LossBatch.of(inputs[0], inputs[1], torch.stack(inputs[2:], dim=1), teacher=teacher))
    peer = DistillKLDivLoss(None, student_temperature=0.2 * softening, teacher_temperature=0.8 * softening)
    theirs = peer.compute_loss_from_embeddings(twins, teacher) / 0.2**2
    ours.backward()
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-9)
    for tensor, twin in zip(inputs, twins, strict=True):
        along = (twin.grad * twin).sum(dim=1, keepdim=True) * twin
        torch.testing.assert_close(tensor.grad, (twin.grad - along).detach(), rtol=1e-7, atol=1e-10)


def test_facts_tell_entropy_and_share() -> None:
    facts = KLDistillation().facts(batch([[0.0, 0.0, 0.0], [1.0, NAN, NAN]]))
    assert facts["teacher-entropy"] == pytest.approx(math.log(3))
    assert facts["scored-share"] == pytest.approx(3 / 6)
    assert "teacher-entropy" not in KLDistillation().facts(batch([[NAN] * 3, [NAN] * 3]))
    assert MarginMSE().facts(batch([[0.0, 0.0, NAN], [1.0, NAN, NAN]]))["scored-share"] == pytest.approx(1 / 4)
