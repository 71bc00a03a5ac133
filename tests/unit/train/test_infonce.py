from __future__ import annotations

import math

import pytest
import torch

from pyrite.train.losses.infonce import InfoNCE

E = math.e
QUERIES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
POSITIVES = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
NEGATIVES = torch.tensor([[[0.0, 1.0]], [[-1.0, 0.0]]])
# Cosines with p1, p2, n1, n2: query 1 has 1, 0, 0, -1; query 2 has 0, 1, 1, 0.


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def plain(queries, positives, negatives, allowed, weights, temperature):
    """The docstring's formula, term by term."""
    size, number, _ = negatives.shape
    losses = []
    for i in range(size):
        total = torch.zeros((), dtype=queries.dtype)
        for j in range(size + size * number):
            owner, slot = divmod(j - size, number)
            candidate = positives[j] if j < size else negatives[owner, slot]
            weight = weights[i, slot] if j >= size and owner == i else 1.0
            if allowed[i, j]:
                total = total + weight * torch.exp(torch.cosine_similarity(queries[i], candidate, dim=0) / temperature)
        losses.append(total.log() - torch.cosine_similarity(queries[i], positives[i], dim=0) / temperature)
    return torch.stack(losses).mean()


def test_in_batch_negatives_alone() -> None:
    # Each query: -1 + ln(e^1 + e^0).
    assert InfoNCE(1.0)(QUERIES, POSITIVES).item() == pytest.approx(math.log(1 + 1 / E), abs=1e-6)


def test_mined_negatives_of_the_whole_batch_count() -> None:
    expected = (math.log(E + 2 + 1 / E) - 1 + math.log(2 * E + 2) - 1) / 2
    assert InfoNCE(1.0)(QUERIES, POSITIVES, NEGATIVES).item() == pytest.approx(expected, abs=1e-6)


def test_temperature_divides_the_cosines() -> None:
    assert InfoNCE(0.5)(QUERIES, POSITIVES).item() == pytest.approx(math.log(1 + E**-2), abs=1e-6)


def test_padding_counts_for_no_query() -> None:
    expected = (math.log(E + 2) - 1 + math.log(2 * E + 1) - 1) / 2
    present = torch.tensor([[True], [False]])
    assert InfoNCE(1.0)(QUERIES, POSITIVES, NEGATIVES, present=present).item() == pytest.approx(expected, abs=1e-6)


def test_a_disallowed_candidate_leaves_one_query_alone() -> None:
    allowed = torch.tensor([[True, True, False, True], [True, True, True, True]])
    expected = (math.log(E + 1 + 1 / E) - 1 + math.log(2 * E + 2) - 1) / 2
    assert InfoNCE(1.0)(QUERIES, POSITIVES, NEGATIVES, allowed=allowed).item() == pytest.approx(expected, abs=1e-6)


def test_the_own_positive_stays_whatever_the_masks_say() -> None:
    allowed = torch.zeros(2, 2, dtype=torch.bool)
    assert InfoNCE(1.0)(QUERIES, POSITIVES, allowed=allowed).item() == 0.0


def test_a_weight_multiplies_the_own_negative_only() -> None:
    # Query 1's own negative has the cosine 0, query 2's as well; the other query sees it with weight 1.
    expected = (math.log(E + 1 + 3 + 1 / E) - 1 + math.log(2 * E + 1 + 0.5) - 1) / 2
    weights = torch.tensor([[3.0], [0.5]])
    assert InfoNCE(1.0)(QUERIES, POSITIVES, NEGATIVES, weights=weights).item() == pytest.approx(expected, abs=1e-6)


def test_weight_0_takes_a_negative_out_without_breaking_the_gradient() -> None:
    negatives = NEGATIVES.clone().requires_grad_()
    loss = InfoNCE(1.0)(QUERIES[:1], POSITIVES[:1], negatives[:1], weights=torch.zeros(1, 1))
    loss.backward()
    assert loss.item() == 0.0
    assert negatives.grad.abs().max().item() == 0.0


def test_a_masked_candidate_gets_no_gradient() -> None:
    queries, positives = draw(3, 4), draw(3, 4, seed=1)
    negatives = draw(3, 2, 4, seed=2).requires_grad_()
    allowed = torch.ones(3, 9, dtype=torch.bool)
    allowed[:, 3 + 2 * 1 + 1] = False  # the second negative of the second query, for everybody
    InfoNCE()(queries, positives, negatives, allowed=allowed).backward()
    gone = negatives.grad[1, 1]
    assert gone.abs().max().item() == 0.0
    assert negatives.grad[1, 0].abs().max().item() > 0


def test_value_and_gradient_match_the_plain_formula() -> None:
    present = torch.tensor([[True, True], [True, False], [False, False]])
    allowed = torch.ones(3, 9, dtype=torch.bool)
    allowed[0, 2] = allowed[2, 4] = False
    weights = draw(3, 2, seed=5).abs()
    inputs = [draw(3, 4), draw(3, 4, seed=1), draw(3, 2, 4, seed=2)]
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    theirs = [tensor.clone().requires_grad_() for tensor in inputs]
    joined = allowed & torch.cat([torch.ones(3, dtype=torch.bool), present.flatten()])
    loss = InfoNCE(0.2)(*ours, present=present, allowed=allowed, weights=weights)
    reference = plain(*theirs, joined, weights, 0.2)
    loss.backward()
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-12)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("number", [0, 3])
def test_equals_sentence_transformers_where_nothing_is_masked(number: int) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    inputs = [draw(5, 8, seed=i).requires_grad_() for i in range(2 + number)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    negatives = torch.stack(inputs[2:], dim=1) if number else None
    ours = InfoNCE(0.05)(inputs[0], inputs[1], negatives)
    theirs = MultipleNegativesRankingLoss(model=None, scale=20.0).compute_loss_from_embeddings(twins, None)
    ours.backward()
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    for mine, expected in zip(inputs, twins, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-9, atol=1e-12)
