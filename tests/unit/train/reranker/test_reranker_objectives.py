"""Values derived by hand, gradients against a plain transcription, and what is missing leaves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pyrite.train.reranker.lists import ScoredLists
from pyrite.train.reranker.objectives import (
    BinaryCrossEntropy,
    Dice,
    Distillation,
    Listwise,
    ListwiseAndPairs,
    MarginMSE,
    Objective,
    ObjectiveSettings,
    PairAndList,
)

NAN = math.nan
LN2, LN3 = math.log(2), math.log(3)
OBJECTIVES = [
    BinaryCrossEntropy(positive_weight=2.0),
    Listwise(temperature=0.5),
    ListwiseAndPairs(pairs_weight=0.5),
    Dice(smoothing=0.3),
    MarginMSE(),
    Distillation(temperature=0.7),
    PairAndList(),
]
each = pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda one: one.type)


def lists(
    logits: list[list[float]],
    present: list[list[bool]] | None = None,
    **known: list[Any],
) -> ScoredLists:
    tensor = torch.tensor(logits, dtype=torch.float64)
    there = torch.ones_like(tensor, dtype=torch.bool) if present is None else torch.tensor(present)
    return ScoredLists(tensor, there, **{name: torch.tensor(rows) for name, rows in known.items()})


# sigmoid(0) is 1/2, sigmoid(ln 3) is 3/4, and softplus(ln 3) is ln 4.
@pytest.mark.parametrize(
    ("objective", "given", "expected"),
    [
        # -ln(3/4) for the positive, -ln(1/2) for the negative; the mean of two.
        (BinaryCrossEntropy(), lists([[LN3, 0.0]]), (math.log(4 / 3) + LN2) / 2),
        # The positive twice, the negative half: the mean is still over two pairs.
        (
            BinaryCrossEntropy(positive_weight=2.0),
            lists([[LN3, 0.0]], weights=[[0.5]]),
            (2 * math.log(4 / 3) + 0.5 * LN2) / 2,
        ),
        # e^z is 3, 1 and 2: the positive has half of the mass, then 3/4 once the last one is padding.
        (Listwise(), lists([[LN3, 0.0, LN2]]), LN2),
        (Listwise(), lists([[LN3, 0.0, LN2]], [[True, True, False]]), math.log(4 / 3)),
        # The second query counts three times, in a mean over two all the same.
        (Listwise(), lists([[0.0, 0.0], [LN3, 0.0]], example_weights=[1.0, 3.0]), (LN2 + 3 * math.log(4 / 3)) / 2),
        # Its pairs count half, the smoothing as ever.
        (Dice(), lists([[LN3, 0.0]], example_weights=[0.5]), 1 - (0.75 + 1) / (0.5 * (9 / 16 + 1 / 4 + 1) + 1)),
        # A weight multiplies an exponential: 3 of 3 + 3 * 1.
        (Listwise(), lists([[LN3, 0.0]], weights=[[3.0]]), LN2),
        # At temperature 1/2, e^z is 9 and 1.
        (Listwise(temperature=0.5), lists([[LN3, 0.0]]), math.log(10 / 9)),
        (ListwiseAndPairs(pairs_weight=2.0), lists([[LN3, 0.0]]), math.log(4 / 3) + math.log(4 / 3) + LN2),
        # p is 3/4 and 1/2: (2 * 3/4 + 1) / (9/16 + 1/4 + 1 + 1) is 8/9.
        (Dice(), lists([[LN3, 0.0]]), 1 / 9),
        # The student's margins are 2 and 3, the teacher's 1 and unknown.
        (MarginMSE(), lists([[3.0, 1.0, 0.0]], teacher=[[1.5, 0.5, NAN]]), 1.0),
        # A margin that the training set has comes first: 5 for 1, and the second is known now.
        (MarginMSE(), lists([[3.0, 1.0, 0.0]], teacher=[[1.5, 0.5, NAN]], margins=[[5.0, 3.0]]), 9 / 2),
        # P is 3/4, 1/4 and Q 1/2, 1/2: 3/4 ln(3/2) + 1/4 ln(1/2). The third document has no score.
        (
            Distillation(),
            lists([[1.0, 1.0, 7.0]], teacher=[[LN3, 0.0, NAN]]),
            0.75 * math.log(1.5) + 0.25 * math.log(0.5),
        ),
        # At t_f = 1/2 the teacher's exponentials are 9 and 1.
        (
            Distillation(teacher_temperature=0.5),
            lists([[1.0, 1.0]], teacher=[[LN3, 0.0]]),
            0.9 * math.log(1.8) + 0.1 * math.log(0.2),
        ),
        # At T = 1/2 the teacher's exponentials are 9 and 1; times T^2.
        (
            Distillation(temperature=0.5),
            lists([[1.0, 1.0]], teacher=[[LN3, 0.0]]),
            0.25 * (0.9 * math.log(1.8) + 0.1 * math.log(0.2)),
        ),
    ],
)
def test_a_value_derived_by_hand(objective: Objective, given: ScoredLists, expected: float) -> None:
    assert float(objective(given)) == pytest.approx(expected, abs=1e-7)


def test_the_letter_of_the_positive() -> None:
    """Of two letters with e^z 3 and 1 the positive's is the second, then the first; a third letter is padding."""
    logits = torch.tensor([[LN3, 0.0, 9.0], [LN3, 0.0, 9.0]])
    present = torch.tensor([[True, True, False]] * 2)
    value = PairAndList().choice(logits, present, torch.tensor([1, 0]))
    assert float(value) == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)
    weighed = PairAndList().choice(logits, present, torch.tensor([1, 0]), torch.tensor([0.5, 0.0]))
    assert float(weighed) == pytest.approx(0.5 * math.log(4) / 2)


def test_the_hardest_negative_is_the_teachers() -> None:
    scored = lists([[0.0] * 4] * 3, [[True] * 4, [True] * 4, [True, True, False, False]])
    assert PairAndList().hardest(scored).tolist() == [1, 1, 1]
    teacher = torch.tensor([[9.0, 1.0, NAN, 2.0], [NAN, NAN, NAN, NAN], [1.0, 0.5, 7.0, 8.0]])
    scored = ScoredLists(scored.logits, scored.present, teacher=teacher)
    assert PairAndList().hardest(scored).tolist() == [3, 1, 1]


# The objectives written out with loops over what is there: how often a query counts, and its row of (logit, weight,
# teacher's score), the positive first.
Rows = list[tuple[float, list[tuple[Any, float, float]]]]


def plain_pairs(rows: Rows, v: float) -> Any:
    positives = sum(-u * v * torch.log(torch.sigmoid(row[0][0])) for u, row in rows)
    negatives = sum(-u * w * torch.log(1 - torch.sigmoid(z)) for u, row in rows for z, w, _ in row[1:])
    return (positives + negatives) / sum(len(row) for _, row in rows)


def plain_listwise(rows: Rows, t: float) -> Any:
    losses = [u * (torch.log(sum(w * torch.exp(z / t) for z, w, _ in row)) - row[0][0] / t) for u, row in rows]
    return sum(losses) / len(rows)


def plain_dice(rows: Rows, g: float) -> Any:
    above = sum(2 * u * torch.sigmoid(row[0][0]) for u, row in rows) + g
    squares = sum(u * w * torch.sigmoid(z) ** 2 for u, row in rows for z, w, _ in row)
    return 1 - above / (squares + sum(u for u, _ in rows) + g)


def plain_margins(rows: Rows) -> Any:
    errors = [u * (row[0][0] - z - row[0][2] + t) ** 2 for u, row in rows for z, _, t in row[1:]]
    known = [error for error in errors if not math.isnan(error.item())]
    return sum(known) / len(known) if known else sum(row[0][0] * 0 for _, row in rows)


def plain_distillation(rows: Rows, temperature: float) -> Any:
    losses = []
    for u, row in rows:
        known = [(z / temperature, t / temperature) for z, _, t in row if not math.isnan(t)]
        if len(known) > 1:
            p, q = sum(math.exp(t) for _, t in known), sum(torch.exp(z) for z, _ in known)
            terms = [math.exp(t) / p * torch.log(math.exp(t) / p / (torch.exp(z) / q)) for z, t in known]
            losses.append(u * temperature**2 * sum(terms))
    return sum(losses) / len(losses) if losses else sum(row[0][0] * 0 for _, row in rows)


PLAIN: dict[str, Callable[[Rows], Any]] = {
    "binary-cross-entropy": lambda rows: plain_pairs(rows, 2.0),
    "listwise": lambda rows: plain_listwise(rows, 0.5),
    "listwise-and-pairs": lambda rows: plain_listwise(rows, 1.0) + 0.5 * plain_pairs(rows, 1.0),
    "dice": lambda rows: plain_dice(rows, 0.3),
    "margin-mse": plain_margins,
    "distillation": lambda rows: plain_distillation(rows, 0.7),
    "pair-and-list": lambda rows: plain_pairs(rows, 1.0),
}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    size, number = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    score = st.floats(-3, 3)

    def table(width: int, value: st.SearchStrategy[Any]) -> list[list[Any]]:
        return draw(st.lists(st.lists(value, min_size=width, max_size=width), min_size=size, max_size=size))

    counts = draw(st.lists(st.integers(0, number), min_size=size, max_size=size))
    return {
        "logits": table(1 + number, score),
        "present": [[True] + [place < count for place in range(number)] for count in counts],
        "weights": table(number, st.floats(0.1, 3)),
        "teacher": table(1 + number, st.one_of(score, st.just(NAN))),
        "example_weights": draw(st.lists(st.floats(0, 3), min_size=size, max_size=size)),
    }


def scored(case: dict[str, Any]) -> tuple[torch.Tensor, ScoredLists]:
    logits = torch.tensor(case["logits"], dtype=torch.float64, requires_grad=True)
    known = {name: torch.tensor(case[name], dtype=torch.float64) for name in ("weights", "teacher", "example_weights")}
    return logits, ScoredLists(logits, torch.tensor(case["present"]), **known)


@each
@given(cases())
def test_value_and_gradient_are_those_of_a_plain_transcription(objective: Objective, case: dict[str, Any]) -> None:
    logits, given = scored(case)
    value = objective(given)
    (gradient,) = torch.autograd.grad(value, logits)
    present, weights, teacher = (case[name] for name in ("present", "weights", "teacher"))
    rows = [
        (count, [(logits[i, j], [1.0, *weights[i]][j], teacher[i][j]) for j in range(len(row)) if row[j]])
        for i, (count, row) in enumerate(zip(case["example_weights"], present, strict=True))
    ]
    expected = PLAIN[objective.type](rows)
    (expected_gradient,) = torch.autograd.grad(expected, logits)
    assert value.item() == pytest.approx(expected.item(), abs=1e-9)
    assert torch.allclose(gradient, expected_gradient, atol=1e-9)


@each
@given(cases(), st.sampled_from([1e30, -1e30, NAN, math.inf]))
def test_what_stands_in_padding_means_nothing(objective: Objective, case: dict[str, Any], junk: float) -> None:
    _, clean = scored(case)
    changed = {
        name: [
            [value if here else junk for value, here in zip(row, there[len(there) - len(row) :], strict=True)]
            for row, there in zip(case[name], case["present"], strict=True)
        ]
        for name in ("logits", "weights", "teacher")
    }
    logits, dirty = scored({**case, **changed})
    (gradient,) = torch.autograd.grad(objective(dirty), logits)
    assert objective(dirty).item() == objective(clean).item()
    assert bool((gradient[~dirty.present] == 0).all())
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("objective", [MarginMSE(), Distillation()], ids=lambda one: one.type)
def test_a_batch_without_scores_teaches_nothing(objective: Objective) -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    given = ScoredLists(logits, torch.ones(2, 3, dtype=torch.bool), teacher=torch.full((2, 3), NAN))
    (gradient,) = torch.autograd.grad(objective(given), logits)
    assert (objective(given).item(), gradient.abs().sum().item()) == (0, 0)


def test_listwise_is_distillation_from_a_teacher_without_doubt() -> None:
    given = lists([[0.3, -0.2, 1.0]], teacher=[[200.0, 0.0, 0.0]])
    assert float(Distillation()(given)) == pytest.approx(float(Listwise()(given)))


def test_an_objective_is_told_by_its_type() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ObjectiveSettings)
    assert [adapter.validate_python({"type": one.type}) for one in OBJECTIVES] == [type(one)() for one in OBJECTIVES]
