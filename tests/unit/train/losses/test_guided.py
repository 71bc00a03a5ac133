from __future__ import annotations

import math

import pytest
import torch

from pyrite.errors import DataError
from pyrite.train.losses import GuidedInfoNCE, InfoNCE, LossBatch

E = math.e
NAN = math.nan
PLAIN = {"contrast_queries": False, "contrast_positives": False}


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_all_four_kinds_by_hand() -> None:
    # q1 = (1, 0), q2 = (0, 1); p the same; the guide sees nothing near anything, and each thing near itself.
    vectors = torch.eye(2, dtype=torch.float64)
    negatives = torch.tensor([[[-1.0, 0.0]], [[-1.0, 0.0]]], dtype=torch.float64)
    guide = torch.tensor([[1.0, 0.1, 0.0], [0.0, 1.0, 0.1]], dtype=torch.float64)
    guide_negatives = torch.tensor([[0.0, 0.0, 1.0]] * 2, dtype=torch.float64)
    batch = LossBatch.of(
        vectors,
        vectors,
        negatives,
        guide_queries=guide,
        guide_documents=torch.cat([guide, guide_negatives]),
    )
    # Query 1: e + other positive 1 + twice the negative 1/e, other query 1, positive to positive 1.
    first = math.log(E + 1 + 2 / E + 1 + 1) - 1
    second = math.log(E + 1 + 2 + 1 + 1) - 1
    assert GuidedInfoNCE(temperature=1.0)(batch).item() == pytest.approx((first + second) / 2, rel=1e-9)
    # Without the other kinds.
    first, second = math.log(E + 1 + 2 / E) - 1, math.log(E + 1 + 2) - 1
    assert GuidedInfoNCE(temperature=1.0, **PLAIN)(batch).item() == pytest.approx((first + second) / 2, rel=1e-9)


@pytest.mark.parametrize(
    ("margin", "kind", "masked"),
    # The guide's cosines: positive .8; negatives .9, .78 and .5.
    [(0.0, "absolute", [0]), (0.1, "absolute", [0, 1]), (0.02, "relative", [0]), (0.05, "relative", [0, 1])],
)
def test_what_the_guide_places_above_the_threshold_leaves(margin: float, kind: str, masked: list[int]) -> None:
    def at(cosine: float) -> list[float]:
        return [cosine, math.sqrt(1 - cosine**2)]

    guide = torch.tensor([at(0.8), at(0.9), at(0.78), at(0.5)], dtype=torch.float64)
    query, positive, negatives = draw(1, 4), draw(1, 4, seed=1), draw(1, 3, 4, seed=2)
    towards = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    batch = LossBatch.of(query, positive, negatives, guide_queries=towards, guide_documents=guide)
    loss = GuidedInfoNCE(temperature=0.1, margin=margin, margin_kind=kind, **PLAIN)
    kept = negatives[:, [k for k in range(3) if k not in masked]]
    expected = InfoNCE(temperature=0.1)(LossBatch.of(query, positive, kept))
    assert loss(batch).item() == pytest.approx(expected.item(), rel=1e-12)
    assert loss.facts(batch)["masked-share"] == pytest.approx(len(masked) / 3)


def test_stored_scores_guide_where_there_are_some() -> None:
    query, positive, negatives = draw(2, 4), draw(2, 4, seed=1), draw(2, 3, 4, seed=2)
    teacher = torch.tensor([[1.0, 2.0, NAN, 0.0], [NAN, 5.0, 5.0, 5.0]])
    batch = LossBatch.of(query, positive, negatives, teacher=teacher)
    # The first negative of query 1 leaves for query 1 alone.
    known = torch.zeros(2, 8, dtype=torch.bool)
    known[0, 2] = True
    expected = InfoNCE(temperature=0.01)(LossBatch.of(query, positive, negatives, known=known))
    loss = GuidedInfoNCE(by="teacher")
    assert loss(batch).item() == pytest.approx(expected.item(), rel=1e-12)
    assert loss.facts(batch)["masked-share"] == pytest.approx(1 / 14)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"margin": 0.1}, {"margin": 0.1}),
        ({"margin": 0.2, "margin_kind": "relative"}, {"margin": 0.2, "margin_strategy": "relative"}),
        (PLAIN, {"contrast_anchors": False, "contrast_positives": False}),
    ],
    ids=["plain", "absolute", "relative", "query-document"],
)
def test_equals_sentence_transformers(number: int, ours: dict, theirs: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentence_transformers.sentence_transformer.losses import gist_embed

    peer = gist_embed.GISTEmbedLoss.__new__(gist_embed.GISTEmbedLoss)
    torch.nn.Module.__init__(peer)
    settings = {"margin_strategy": "absolute", "margin": 0.0, "contrast_anchors": True, "contrast_positives": True}
    settings |= {"temperature": 0.01, "must_retokenize": False, "gather_across_devices": False, **theirs}
    for name, value in settings.items():
        setattr(peer, name, value)
    peer.similarity_fct, peer.cross_entropy_loss = torch.nn.CosineSimilarity(dim=-1), torch.nn.CrossEntropyLoss()
    peer.model = peer.guide = None
    inputs = [draw(6, 8, seed=i).requires_grad_() for i in range(2 + number)]
    twins = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    guides = [draw(6, 3, seed=10 + i) for i in range(2 + number)]
    answers = iter([twins, guides])  # it asks the model, then the guide
    monkeypatch.setattr(gist_embed, "embed_columns", lambda model, features: next(answers))
    reference = peer([{}] * len(inputs), None)

    batch = LossBatch.of(
        inputs[0],
        inputs[1],
        inputs[2][:, None] if number else None,
        guide_queries=guides[0],
        guide_documents=torch.cat(guides[1:]),
    )
    mine = GuidedInfoNCE(**ours)(batch)
    mine.backward()
    reference.backward()
    assert mine.item() == pytest.approx(reference.item(), rel=1e-9)
    for tensor, twin in zip(inputs, twins, strict=True):
        torch.testing.assert_close(tensor.grad, twin.grad, rtol=1e-7, atol=1e-10)


def test_a_positive_shared_by_two_queries_parts_nobody() -> None:
    """Query 2 asks for the same document: neither it nor its positive is pushed away from query 1."""
    known = torch.tensor([[True, True], [True, True]])
    guide = torch.eye(2, 3, dtype=torch.float64)
    batch = LossBatch.of(draw(2, 4), draw(2, 4, seed=1), known=known, guide_queries=guide, guide_documents=guide)
    assert GuidedInfoNCE()(batch).item() == 0.0


def test_a_batch_without_a_guide_is_refused() -> None:
    with pytest.raises(DataError, match="wants a guide's vectors"):
        GuidedInfoNCE()(LossBatch.of(draw(2, 4), draw(2, 4, seed=1)))
    with pytest.raises(DataError, match="wants teacher scores"):
        GuidedInfoNCE(by="teacher")(LossBatch.of(draw(2, 4), draw(2, 4, seed=1), draw(2, 1, 4)))
