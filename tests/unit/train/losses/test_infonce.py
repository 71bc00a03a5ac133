from __future__ import annotations

import math

import pytest
import torch

from pyrite.errors import SettingsError
from pyrite.settings import parse_settings
from pyrite.train.losses import InfoNCE, LossBatch

E = math.e
QUERIES = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
POSITIVES = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
NEGATIVES = torch.tensor([[[0.0, 1.0]], [[-1.0, 0.0]]])
# Cosines with p1, p2, n1, n2: query 1 has 1, 0, 0, -1; query 2 has 0, 1, 1, 0.
PLAIN = InfoNCE(temperature=1.0)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def value(loss: InfoNCE, *vectors: torch.Tensor, **masks: torch.Tensor) -> float:
    return loss(LossBatch.of(*vectors, **masks)).item()


def plain(queries, positives, negatives, known, present, weights, temperature):
    """The docstring's formula, term by term."""
    size, number, _ = negatives.shape
    losses = []
    for i in range(size):
        own = torch.exp(torch.cosine_similarity(queries[i], positives[i], dim=0) / temperature)
        total = own
        for j in range(size + size * number):
            owner, slot = divmod(j - size, number)
            candidate = positives[j] if j < size else negatives[owner, slot]
            weight = weights[i, slot] if j >= size and owner == i else 1.0
            if j != i and not known[i, j] and (j < size or present[owner, slot]):
                total = total + weight * torch.exp(torch.cosine_similarity(queries[i], candidate, dim=0) / temperature)
        losses.append(total.log() - own.log())
    return torch.stack(losses).mean()


def test_in_batch_negatives_alone() -> None:
    # Each query: -1 + ln(e^1 + e^0).
    assert value(PLAIN, QUERIES, POSITIVES) == pytest.approx(math.log(1 + 1 / E), abs=1e-6)


def test_mined_negatives_of_the_whole_batch_count() -> None:
    expected = (math.log(E + 2 + 1 / E) - 1 + math.log(2 * E + 2) - 1) / 2
    assert value(PLAIN, QUERIES, POSITIVES, NEGATIVES) == pytest.approx(expected, abs=1e-6)


def test_only_the_own_negatives_count_where_asked() -> None:
    expected = (math.log(E + 1) - 1 + math.log(E + 1) - 1) / 2
    loss = InfoNCE(temperature=1.0, candidates="own")
    assert value(loss, QUERIES, POSITIVES, NEGATIVES) == pytest.approx(expected, abs=1e-6)


def test_temperature_divides_the_cosines() -> None:
    assert value(InfoNCE(temperature=0.5), QUERIES, POSITIVES) == pytest.approx(math.log(1 + E**-2), abs=1e-6)


def test_padding_counts_for_no_query() -> None:
    expected = (math.log(E + 2) - 1 + math.log(2 * E + 1) - 1) / 2
    present = torch.tensor([[True], [False]])
    assert value(PLAIN, QUERIES, POSITIVES, NEGATIVES, present=present) == pytest.approx(expected, abs=1e-6)


def test_a_known_positive_leaves_one_query_alone() -> None:
    known = torch.tensor([[False, False, True, False], [False, False, False, False]])
    expected = (math.log(E + 1 + 1 / E) - 1 + math.log(2 * E + 2) - 1) / 2
    assert value(PLAIN, QUERIES, POSITIVES, NEGATIVES, known=known) == pytest.approx(expected, abs=1e-6)


def test_further_positives_are_negatives_of_others_alone() -> None:
    # Each query brings one more positive, (0, 1): its cosine is 0 with query 1, 1 with query 2.
    more = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])
    expected = (math.log(E + 1 + 1) - 1 + math.log(2 * E + 1) - 1) / 2
    assert value(PLAIN, QUERIES, POSITIVES, None, more) == pytest.approx(expected, abs=1e-6)


def test_the_own_positive_stays_whatever_is_known() -> None:
    assert value(PLAIN, QUERIES, POSITIVES, known=torch.ones(2, 2, dtype=torch.bool)) == 0.0


def test_a_weight_multiplies_the_own_negative_only() -> None:
    # Query 1's own negative has the cosine 0, query 2's as well; the other query sees it with weight 1.
    expected = (math.log(E + 1 + 3 + 1 / E) - 1 + math.log(2 * E + 1 + 0.5) - 1) / 2
    weights = torch.tensor([[3.0], [0.5]])
    assert value(PLAIN, QUERIES, POSITIVES, NEGATIVES, weights=weights) == pytest.approx(expected, abs=1e-6)


def test_weights_may_weigh_the_examples() -> None:
    # Query 1's loss counts (3 + 1)/2 times, query 2's 5 times: its second negative is padding. Beside its own positive,
    # query 1 has the cosines 0, 0, -1 and -1, query 2 has 0, 1, 0 and 0.
    present = torch.tensor([[True, True], [True, False]])
    negatives = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]], [[-1.0, 0.0], [9.0, 9.0]]])
    weights = torch.tensor([[3.0, 1.0], [5.0, 100.0]])
    expected = (2 * (math.log(E + 2 + 2 / E) - 1) + 5 * (math.log(2 * E + 3) - 1)) / 2
    loss = InfoNCE(temperature=1.0, weigh="examples")
    found = value(loss, QUERIES, POSITIVES, negatives, present=present, weights=weights)
    assert found == pytest.approx(expected, abs=1e-6)


def test_example_weights_multiply_the_losses() -> None:
    expected = (4 * (math.log(E + 2 + 1 / E) - 1) + 0.5 * (math.log(2 * E + 2) - 1)) / 2
    found = value(PLAIN, QUERIES, POSITIVES, NEGATIVES, example_weights=torch.tensor([4.0, 0.5]))
    assert found == pytest.approx(expected, abs=1e-6)


def test_weight_0_takes_a_negative_out_without_breaking_the_gradient() -> None:
    negatives = NEGATIVES[:1].clone().requires_grad_()
    loss = PLAIN(LossBatch.of(QUERIES[:1], POSITIVES[:1], negatives, weights=torch.zeros(1, 1)))
    loss.backward()
    assert loss.item() == 0.0
    assert negatives.grad.abs().max().item() == 0.0


def test_value_and_gradient_match_the_plain_formula() -> None:
    present = torch.tensor([[True, True], [True, False], [False, False]])
    known = torch.zeros(3, 9, dtype=torch.bool)
    known[0, 2] = known[2, 4] = True
    weights = draw(3, 2, seed=5).abs()
    inputs = [draw(3, 4), draw(3, 4, seed=1), draw(3, 2, 4, seed=2)]
    ours = [tensor.clone().requires_grad_() for tensor in inputs]
    theirs = [tensor.clone().requires_grad_() for tensor in inputs]
    loss = InfoNCE(temperature=0.2)(LossBatch.of(*ours, present=present, known=known, weights=weights))
    reference = plain(*theirs, known, present, weights, 0.2)
    loss.backward()
    reference.backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-12)
    for mine, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, expected.grad, rtol=1e-9, atol=1e-12)


def test_a_positive_finds_its_query_where_both_directions_are_asked_for() -> None:
    # Positive 1 has the cosines 1 and 0 with the queries; query 2's known positive it is not.
    known = torch.tensor([[False, False], [True, False]])
    forward = (math.log(E + 1) - 1 + 0.0) / 2
    backward = (0.0 + math.log(E + 1) - 1) / 2
    loss = InfoNCE(temperature=1.0, directions="both")
    assert value(loss, QUERIES, POSITIVES, known=known) == pytest.approx((forward + backward) / 2, abs=1e-6)


@pytest.mark.parametrize("number", [0, 3])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"directions": "both"}, {"directions": ("query_to_doc", "doc_to_query"), "partition_mode": "per_direction"}),
        ({"hardness": 5.0}, {"hardness_mode": "hard_negatives", "hardness_strength": 5.0}),
        (
            {"hardness": 9.0, "hardness_of": "in-batch"},
            {"hardness_mode": "in_batch_negatives", "hardness_strength": 9.0},
        ),
        ({"hardness": 2.0, "hardness_of": "all"}, {"hardness_mode": "all_negatives", "hardness_strength": 2.0}),
    ],
    ids=["plain", "both directions", "hardness of mined", "hardness in batch", "hardness of all"],
)
def test_equals_sentence_transformers_where_nothing_is_masked(number: int, ours: dict, theirs: dict) -> None:
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    inputs = [draw(5, 8, seed=i).requires_grad_() for i in range(2 + number)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    negatives = torch.stack(inputs[2:], dim=1) if number else None
    mine = InfoNCE(temperature=0.05, **ours)(LossBatch.of(inputs[0], inputs[1], negatives))
    reference = MultipleNegativesRankingLoss(None, 20.0, **theirs).compute_loss_from_embeddings(twins, None)
    mine.backward()
    reference.backward()
    assert mine.item() == pytest.approx(reference.item(), rel=1e-12)
    for tensor, twin in zip(inputs, twins, strict=True):
        torch.testing.assert_close(tensor.grad, twin.grad, rtol=1e-9, atol=1e-12)


def test_a_learnt_temperature_starts_where_it_is_told_and_has_a_gradient() -> None:
    loss = InfoNCE(temperature=0.07, learn_temperature=True)
    (first,) = loss.parameters().values()
    scalar = torch.tensor(first, dtype=torch.float64, requires_grad=True)
    batch = LossBatch.of(draw(4, 6), draw(4, 6, seed=1), draw(4, 2, 6, seed=2))
    found = loss(batch, dict.fromkeys(loss.parameters(), scalar))
    found.backward()
    assert found.item() == pytest.approx(loss(batch).item(), rel=1e-9)
    # By the temperature's definition, .01 + exp(a), and a difference quotient.
    step = 1e-6
    moved = [InfoNCE(temperature=0.01 + math.exp(first + sign * step))(batch).item() for sign in (1, -1)]
    assert scalar.grad.item() == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-5)


def test_a_temperature_to_be_learnt_stays_above_the_lowest() -> None:
    with pytest.raises(SettingsError, match=r"temperature \(0.01\) must be above 0.01 where it is learnt"):
        parse_settings(InfoNCE, {"temperature": 0.01, "learn_temperature": True}, "loss")


def test_facts_tell_cosines_and_temperature() -> None:
    facts = InfoNCE(learn_temperature=True).facts(LossBatch.of(QUERIES, POSITIVES, NEGATIVES))
    known = {"positive-cosine": 1.0, "known-share": 0.0}
    assert facts == pytest.approx({**known, "negative-cosine": 0.0, "temperature": 0.05})
    padded = LossBatch.of(QUERIES, POSITIVES, NEGATIVES, present=torch.zeros(2, 1, dtype=torch.bool))
    assert InfoNCE().facts(padded) == pytest.approx(known)


def test_facts_tell_the_share_of_known_positives() -> None:
    # Beside its own positive a query meets three documents; the first query knows one of them.
    known = torch.tensor([[True, False, True, False], [False, True, False, False]])
    facts = InfoNCE().facts(LossBatch.of(QUERIES, POSITIVES, NEGATIVES, known=known))
    assert facts["known-share"] == pytest.approx(1 / 6)
