from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from pyrite.train.bags import Bags, bag_means, tokenise


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({word: i * 10 for i, word in enumerate("?abcd")}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


TEXTS = ["a b a a", "", "d", "zebra c"]


def test_a_bag_holds_each_token_once_with_its_share(tokenizer: Tokenizer) -> None:
    bags = tokenise(tokenizer, TEXTS)
    assert bags.tokens.tolist() == [10, 20, 40, 0, 30]
    assert bags.offsets.tolist() == [0, 2, 2, 3, 5]
    assert bags.weights.tolist() == [0.75, 0.25, 1.0, 0.5, 0.5]


def test_bags_can_be_taken_in_any_order(tokenizer: Tokenizer) -> None:
    taken = tokenise(tokenizer, TEXTS).take(np.array([2, 0, 1, 2]))
    assert taken.tokens.tolist() == [40, 10, 20, 40]
    assert taken.offsets.tolist() == [0, 1, 3, 3, 4]
    assert taken.weights.tolist() == [1.0, 0.75, 0.25, 1.0]


def test_compact_numbers_the_tokens_in_use(tokenizer: Tokenizer) -> None:
    bags, used = tokenise(tokenizer, ["a b a a", "d"]).compact()
    assert used.tolist() == [10, 20, 40]
    assert bags.tokens.tolist() == [0, 1, 2]


def test_transposing_lists_the_texts_of_each_token() -> None:
    bags = Bags(np.array([0, 2, 2]), np.array([0, 2, 2, 3]), np.array([0.75, 0.25, 1.0], dtype=np.float32))
    transposed = bags.transpose(4)
    assert transposed.tokens.tolist() == [0, 0, 2]
    assert transposed.offsets.tolist() == [0, 1, 1, 3, 3]
    assert transposed.weights.tolist() == [0.75, 0.25, 1.0]


def test_value_and_gradient_are_those_of_the_mean_over_all_tokens(tokenizer: Tokenizer) -> None:
    ids = [10, 20, 10, 10, 40, 0, 30]
    weights = torch.randn(41, 6, generator=torch.Generator().manual_seed(0))
    slope = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    reference = torch.nn.EmbeddingBag.from_pretrained(weights.clone(), freeze=False, mode="mean")
    expected = reference(torch.tensor(ids), torch.tensor([0, 4, 4, 5]))
    table = weights.clone().requires_grad_()
    means = bag_means(table, tokenise(tokenizer, TEXTS))
    (means * slope).sum().backward()
    (expected * slope).sum().backward()
    torch.testing.assert_close(means, expected)
    torch.testing.assert_close(table.grad, reference.weight.grad)
    assert means[1].tolist() == [0.0] * 6


def test_no_tokens_at_all(tokenizer: Tokenizer) -> None:
    bags, used = tokenise(tokenizer, ["", " "]).compact()
    assert used.tolist() == []
    assert bags.offsets.tolist() == [0, 0, 0]
