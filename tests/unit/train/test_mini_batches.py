from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer

from pyrite.train.mini_batches import cached_vectors, cut_features


def features(lengths: list[int], *, left: bool = False) -> dict[str, Any]:
    """Texts whose tokens are 10 times the text's number from 1, plus the place, as a tokenizer pads them."""
    width = max(lengths)
    ids, mask = torch.zeros(len(lengths), width, dtype=torch.long), torch.zeros(len(lengths), width, dtype=torch.long)
    for row, length in enumerate(lengths):
        places = slice(width - length, width) if left else slice(0, length)
        ids[row, places] = 10 * (row + 1) + torch.arange(length)
        mask[row, places] = 1
    return {"input_ids": ids, "attention_mask": mask, "prompt_length": 2}


@pytest.mark.parametrize("left", [False, True])
def test_mini_batches_are_as_wide_as_their_longest_text(left: bool) -> None:
    parts, rows = cut_features(features([2, 5, 1, 3], left=left), tokens=6)
    assert rows.tolist() == [1, 3, 0, 2]
    assert [part["input_ids"].tolist() for part in parts] == [
        [[20, 21, 22, 23, 24]],
        [[40, 41, 42], [0, 10, 11] if left else [10, 11, 0]],
        [[30]],
    ]
    assert [part["attention_mask"].sum().item() for part in parts] == [5, 5, 1]
    assert [part["prompt_length"] for part in parts] == [2, 2, 2]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 30))
def test_each_text_goes_once_and_within_the_budget(lengths: list[int], tokens: int) -> None:
    parts, rows = cut_features(features(lengths), tokens)
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    masks = [part["attention_mask"] for part in parts]
    assert np.concatenate([mask.sum(dim=1).numpy() for mask in masks]).tolist() == [lengths[row] for row in rows]
    assert all(mask.numel() <= tokens or len(mask) == 1 for mask in masks)


class Encoder(torch.nn.Module):
    """A mean of token vectors with dropout on both sides of a layer."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.calls = 0
        generator = torch.Generator().manual_seed(3)
        self.table = torch.nn.Parameter(torch.randn(100, 6, generator=generator, dtype=torch.float64))
        self.layer = torch.nn.Parameter(torch.randn(6, 6, generator=generator, dtype=torch.float64))
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, part: dict[str, Any]) -> torch.Tensor:
        self.calls += 1
        mask = part["attention_mask"][..., None]
        means = (self.dropout(self.table[part["input_ids"]]) * mask).sum(dim=1) / mask.sum(dim=1)
        return self.dropout(torch.tanh(means @ self.layer))


def loss(vectors: torch.Tensor) -> torch.Tensor:
    """Something in which every vector meets every other."""
    return (torch.nn.functional.normalize(vectors, dim=1) @ vectors.T / 0.3).logsumexp(dim=1).mean()


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_cached_is_plain_in_value_gradient_and_randomness(dropout: float) -> None:
    parts, _ = cut_features(features([4, 7, 2, 2, 9, 5]), tokens=12)
    assert len(parts) == 4
    outcomes = []
    for cached in (False, True):
        encoder = Encoder(dropout)
        torch.manual_seed(11)
        vectors = cached_vectors(encoder, parts) if cached else torch.cat([encoder(part) for part in parts])
        value = loss(vectors)
        value.backward()
        assert encoder.calls == (8 if cached else 4)
        outcomes.append((value, encoder.table.grad, encoder.layer.grad, torch.rand(3)))
    (plain, *others), (again, *found) = outcomes
    assert again.item() == plain.item()
    for expected, gradient in zip(others, found, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-14)


def test_another_upstream_gradient_scales_the_result() -> None:
    encoder, (parts, _) = Encoder(0.0), cut_features(features([3, 1, 4]), tokens=4)
    (2 * loss(cached_vectors(encoder, parts))).backward()
    twice, encoder.table.grad = encoder.table.grad, None
    loss(cached_vectors(encoder, parts)).backward()
    torch.testing.assert_close(twice, 2 * encoder.table.grad)


def test_only_the_last_replay_is_called_last() -> None:
    told: list[bool] = []

    def replaying(last: bool) -> Any:
        told.append(last)
        return nullcontext()

    encoder, (parts, _) = Encoder(0.0), cut_features(features([3, 1, 4]), tokens=4)
    loss(cached_vectors(encoder, parts, replaying)).backward()
    assert told == [False, False, True]


def test_mixed_precision_is_that_of_the_first_pass() -> None:
    seen: list[torch.dtype] = []
    layer = torch.nn.Linear(6, 6)

    def encode(part: dict[str, Any]) -> torch.Tensor:
        vectors = layer(part["attention_mask"][:, :1].float().expand(-1, 6))
        seen.append(vectors.dtype)
        return vectors

    parts, _ = cut_features(features([3, 1]), tokens=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        vectors = cached_vectors(encode, parts)
    loss(vectors.float()).backward()
    assert seen == [torch.bfloat16] * 4


def test_cached_gradients_are_those_of_the_same_mini_batches_with_dropout(transformer_model: Path) -> None:
    model = SentenceTransformer(str(transformer_model), device="cpu").train()
    texts = [" ".join(f"w{place}" for place in range(row, row + 1 + row % 7)) for row in range(12)]
    parts, _ = cut_features(model.preprocess(texts), tokens=18)
    assert len(parts) > 3

    def encode(part: dict[str, Any]) -> torch.Tensor:
        return model(dict(part))["sentence_embedding"]

    outcomes = []
    for cached in (False, True):
        model.zero_grad()
        torch.manual_seed(5)
        vectors = cached_vectors(encode, parts) if cached else torch.cat([encode(part) for part in parts])
        loss(vectors).backward()
        gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
        outcomes.append((vectors.detach(), gradients))
    (plain, expected), (again, found) = outcomes
    assert torch.equal(plain, again)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
