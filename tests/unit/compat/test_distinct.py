"""Texts without repetitions, told apart by their hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import given
from hypothesis import strategies as st

from pyrite.compat import distinct
from pyrite.compat.arguments import Columns
from pyrite.compat.distinct import distinct_texts
from pyrite.compat.pairs import read_pairs
from pyrite.errors import ArgumentError

TEXTS = st.lists(st.text(alphabet="ab\u00e9\U00010437", max_size=3), max_size=30)


@given(TEXTS)
def test_each_text_has_a_place_in_the_order_of_first_appearance(texts: list[str]) -> None:
    found = distinct_texts(texts)
    assert found.texts == list(dict.fromkeys(texts))
    assert [found.texts[number] for number in found.numbers.tolist()] == texts
    assert found.key == distinct_texts(found.texts).key


def test_the_key_tells_lists_apart() -> None:
    lists = [["a", "b"], ["b", "a"], ["a"], ["ab"], []]
    assert len({distinct_texts(texts).key for texts in lists}) == len(lists)


@pytest.mark.parametrize("halves", [1, 2])
def test_equal_hashes_or_halves_of_them_are_no_equal_texts(monkeypatch: pytest.MonkeyPatch, halves: int) -> None:
    def hashed(texts: list[str]) -> np.ndarray:
        hashes = np.array([[7, 1 + len(text)] for text in texts], dtype=np.uint64).reshape(-1, 2)
        return hashes if halves == 1 else np.full_like(hashes, 7)

    monkeypatch.setattr(distinct, "text_digests", hashed)
    one, other = distinct_texts(["a", "bb", "a", ""]), distinct_texts(["a", "cc", "a", ""])
    assert (one.texts, one.numbers.tolist()) == (["a", "bb", ""], [0, 1, 0, 2])
    assert one.key != other.key


@pytest.mark.parametrize("kind", ["string", "large_string"])
def test_rows_are_numbered_across_batches(kind: str) -> None:
    features = Features({"anchor": Value(kind), "positive": Value(kind)})
    count = 9000
    rows: dict[str, list[Any]] = {
        "anchor": [f"q{n % 4500}" for n in range(count)],
        "positive": [f"d{n % 7}" for n in range(count)],
    }
    dataset = Dataset.from_dict(rows, features=features)
    pairs = read_pairs(dataset.select(range(count)), Columns("anchor", "positive"), ["x", "d3"])
    assert pairs.documents == ["x", "d3", "d0", "d1", "d2", "d4", "d5", "d6"]
    assert pairs.queries == [f"q{n}" for n in range(4500)]
    assert (pairs.rows, pairs.most) == (count, 2)
    named = [(pairs.queries[q], pairs.documents[d]) for q, d in zip(pairs.owners, pairs.positives, strict=True)]
    assert sorted(named) == sorted(set(zip(rows["anchor"], rows["positive"], strict=True)))


def test_what_is_no_text_is_refused() -> None:
    for values, kind in ([["a", None], Value("string")], [[1, 2], Value("int64")], [[0, 1], ClassLabel(2)]):
        features = Features({"anchor": Value("string"), "positive": kind})
        dataset = Dataset.from_dict({"anchor": ["q", "r"], "positive": values}, features=features)
        with pytest.raises(
            ArgumentError, match=r"dataset, row [12], column 'positive': wants a text, holds a (int|None)"
        ):
            read_pairs(dataset, Columns("anchor", "positive"), None)
