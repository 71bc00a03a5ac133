"""How often an example counts: a factor of its own loss, whatever the loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.train import TrainingTexts
from pyrite.train.batches import make_batch
from pyrite.train.examples import resolve
from pyrite.train.losses import InfoNCE, KLDistillation, Loss, LossBatch, MarginMSE, SoftLabels

DIMENSION = 5
TEXTS = TrainingTexts(
    Corpus.from_rows(Document(f"d{i}", f"text {i}") for i in range(6)),
    Queries.from_rows(Query(f"q{i}", f"question {i}") for i in range(3)),
)


def test_both_directions_count_alike() -> None:
    """A plain transcription: the pair's weight is on finding its positive, and on finding its query."""
    generator = torch.Generator().manual_seed(0)
    queries, positives = (torch.randn(4, DIMENSION, generator=generator).double() for _ in range(2))
    leaves = [queries.requires_grad_(), positives.requires_grad_()]
    weights = [0.0, 1.0, 0.5, 2.5]
    loss = InfoNCE(temperature=0.3, directions="both")
    found = loss(LossBatch.of(queries, positives, example_weights=torch.tensor(weights).double()))
    expected = torch.zeros(()).double()
    for i, weight in enumerate(weights):
        there = torch.stack([torch.cosine_similarity(queries[i], d, dim=0) for d in positives]) / 0.3
        back = torch.stack([torch.cosine_similarity(q, positives[i], dim=0) for q in queries]) / 0.3
        expected = expected - weight * (there.log_softmax(0)[i] + back.log_softmax(0)[i]) / 2 / 4
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    for mine, other in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(expected, leaves), strict=True):
        torch.testing.assert_close(mine, other)


def group(number: int, weight: float | None = None, query: int | None = None) -> TrainingGroup:
    """A query with a positive and two negatives of its own, all scored."""
    own = tuple(f"d{number * 3 + i}" for i in range(3))
    scores = (3.0 - number, 1.0, -0.5)
    return TrainingGroup(
        f"q{number if query is None else query}", own[:1], own[1:], teacher_scores=scores, example_weight=weight
    )


@pytest.mark.parametrize(
    "loss",
    [InfoNCE(candidates="own"), MarginMSE(), KLDistillation(), SoftLabels()],
    ids=lambda loss: loss.type,
)
def test_a_weight_of_2_is_the_example_twice(loss: Loss) -> None:
    """Where an example's loss hangs on its own documents alone: in a batch, twice the example is a negative twice."""
    generator = np.random.default_rng(0)
    vectors = torch.from_numpy(generator.normal(size=(9, DIMENSION)))

    def value(*groups: TrainingGroup) -> float:
        examples = resolve(TrainingSet.from_rows(groups), TEXTS, 2)
        found = make_batch(examples, np.arange(len(examples)))
        # The copy asks the second question's own text, so that both have its vector.
        rows = [int(row) - 1 if row == 2 else int(row) for row in found.queries]
        documents = [int(examples.document_texts[row].split()[-1]) for row in found.documents]
        return float(loss(found.with_vectors(vectors[rows], vectors[[3 + row for row in documents]])))

    twice = value(group(0), group(1), group(1, query=2))
    assert value(group(0, 1.0), group(1, 2.0)) == pytest.approx(twice, rel=1e-6)
    assert value(group(0), group(1)) != pytest.approx(twice, rel=1e-3)


def test_weights_lie_in_the_saved_table(tmp_path: Path) -> None:
    groups = [group(0, 0.0), group(1, 2.5), group(1, query=2)]
    TrainingSet.from_rows(groups).save(tmp_path)
    assert list(TrainingSet.open(tmp_path).rows()) == groups
