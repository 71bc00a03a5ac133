from __future__ import annotations

import random
from collections.abc import Sequence

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pyrite.errors import SettingsError
from pyrite.metrics import duplicates
from pyrite.metrics.duplicates import (
    Resemblance,
    near_duplicate_pairs,
    near_duplicates_between,
    resemblance,
    resembles_any,
)

WORDS = [f"w{number}" for number in range(500)]
TEXTS = st.lists(
    st.lists(st.sampled_from(["gold", "pyrite", "streak", "lustre"]), max_size=6).map(" ".join), max_size=8
)


def edited(words: list[str], edits: int, draw: random.Random) -> str:
    """Replace some words by ones that no text holds."""
    out = list(words)
    for place in draw.sample(range(len(words)), edits):
        out[place] = f"new{draw.random()}".replace(".", "")
    return " ".join(out)


def planted(count: int, edits: int) -> tuple[list[str], list[str]]:
    draw = random.Random(7)
    lists = [[draw.choice(WORDS) for _ in range(100)] for _ in range(count)]
    return [" ".join(words) for words in lists], [edited(words, edits, draw) for words in lists]


def slow_jaccard(one: str, other: str, size: int) -> float:
    sets = []
    for text in (one, other):
        words = text.split()
        sets.append({tuple(words[i : i + size]) for i in range(max(len(words) - size + 1, 1))} if words else set())
    union = sets[0] | sets[1]
    return len(sets[0] & sets[1]) / len(union) if union else 0.0


def slow_pairs(texts: Sequence[str], size: int, threshold: float) -> list[tuple[int, int, float]]:
    pairs = [(i, j, slow_jaccard(texts[i], texts[j], size)) for j in range(len(texts)) for i in range(j)]
    return sorted(pair for pair in pairs if pair[2] >= threshold)


@given(TEXTS, st.integers(1, 3), st.sampled_from([0.2, 0.5, 1.0]))
def test_small_lists_equal_plain_python(texts: list[str], size: int, threshold: float) -> None:
    found = near_duplicate_pairs(texts, Resemblance(words=size, threshold=threshold))
    rows = zip(found.left.tolist(), found.right.tolist(), found.resemblance.tolist(), strict=True)
    assert list(rows) == slow_pairs(texts, size, threshold)


@given(TEXTS, TEXTS)
def test_pairs_between_two_lists_are_those_within_their_union(texts: list[str], others: list[str]) -> None:
    settings = Resemblance(words=2, threshold=0.5)
    between, within = near_duplicates_between(texts, others, settings), near_duplicate_pairs(texts + others, settings)
    crossing = (within.left < len(texts)) & (within.right >= len(texts))
    assert between.left.tolist() == within.left[crossing].tolist()
    assert (between.right + len(texts)).tolist() == within.right[crossing].tolist()
    assert np.flatnonzero(resembles_any(texts, others, settings)).tolist() == sorted(set(between.left.tolist()))


def test_by_hand() -> None:
    """Shingles of three words: 98 of 100 words; one changed word takes three of them away and adds three."""
    texts, copies = planted(1, 1)
    assert resemblance(texts[0], copies[0]) == pytest.approx(95 / 101, abs=0.03)
    assert resemblance("a b c d e", "a b c x y", words=3) == 1 / 5
    assert resemblance("a b", "a b", words=3) == 1.0
    assert resemblance("", "") == 0.0
    assert resemblance("...", "!!!") == 0.0


@pytest.mark.parametrize(
    "variant",
    [
        "THE FOOL'S GOLD OF THE HILLS",
        "the fool\u2019s  gold\n of the hills.",
        "\u201cThe Fool's Gold\u201d of the hills",
        "the \ufb01ool's gold of the hills".replace("\ufb01", "f"),
        "the fool's gold of the hills \u2014",
    ],
)
def test_what_does_not_count(variant: str) -> None:
    assert resemblance("The fool's gold of the hills", variant) == 1.0


def test_compositions_of_letters_do_not_count() -> None:
    assert resemblance("le caf\u00e9 est ferm\u00e9", "Le cafe\u0301 est ferme\u0301!") == 1.0


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_short_way_for_ascii_gives_the_same_words(text: str) -> None:
    assert duplicates._words(text) == duplicates._WORD.findall(duplicates.normalise(text))


def test_letters_of_scripts_without_spaces_are_words() -> None:
    assert resemblance("\u9ec4\u91d1\u77ff\u77f3\u4e2d", "\u9ec4\u91d1\u77ff\u77f3\u94a2", words=2) == 3 / 5


def test_planted_edits_are_found_by_signatures() -> None:
    """Two words of 100 changed leave at least 92 of 104 shingles: .885, where 21 bands of 6 rows miss one in 10^6."""
    texts, copies = planted(300, 2)
    found = near_duplicates_between(texts, copies)
    assert len(texts) * len(copies) > duplicates._ALL_PAIRS
    assert set(zip(found.left.tolist(), found.right.tolist(), strict=True)) == {(i, i) for i in range(300)}
    assert found.resemblance.min() >= 92 / 104
    within = near_duplicate_pairs(texts + copies)
    assert (within.right - within.left).tolist() == [300] * 300
    assert sorted(within.resemblance.tolist()) == sorted(found.resemblance.tolist())


def test_the_recall_at_the_threshold_is_what_was_asked_for() -> None:
    """Four words of 100 changed leave 86 of 110 shingles, .78, or more where they stand close together."""
    texts, copies = planted(1000, 4)
    truth = [resemblance(one, other) for one, other in zip(texts, copies, strict=True)]
    wanted = {row for row, value in enumerate(truth) if value >= 0.8}
    found = near_duplicates_between(texts, copies, Resemblance(threshold=0.8))
    hits = {left for left, right in zip(found.left.tolist(), found.right.tolist(), strict=True) if left == right}
    assert len(wanted) >= 50
    assert len(wanted - hits) <= 0.02 * len(wanted)
    assert hits <= wanted


def test_signatures_and_all_pairs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [text for pair in zip(*planted(40, 3), strict=True) for text in pair] + ["", "gold", "gold"]
    every = near_duplicate_pairs(texts)
    monkeypatch.setattr(duplicates, "_ALL_PAIRS", 0)
    some = near_duplicate_pairs(texts)
    assert len(every) == 41
    for name in ("left", "right", "resemblance"):
        assert getattr(some, name).tolist() == getattr(every, name).tolist()


def test_the_seed_and_the_blocks_do_not_change_what_is_far_above_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, copies = planted(300, 1)
    one = near_duplicates_between(texts, copies, Resemblance(seed=1))
    monkeypatch.setattr(duplicates, "_BLOCK_TEXTS", 7)
    monkeypatch.setattr(duplicates, "_BLOCK_SHINGLES", 1000)
    two = near_duplicates_between(texts, copies, Resemblance(seed=2))
    assert one.left.tolist() == two.left.tolist() == list(range(300))
    assert one.resemblance.tolist() == two.resemblance.tolist()


def test_bands_keep_the_recall_or_say_what_to_do() -> None:
    for threshold in (0.3, 0.5, 0.7, 0.8, 0.95):
        settings = Resemblance(threshold=threshold)
        bands, rows = settings.bands()
        assert bands * rows <= settings.permutations
        assert 1 - (1 - threshold**rows) ** bands >= settings.recall
    with pytest.raises(SettingsError, match="ask for more permutations or a lower recall"):
        Resemblance(threshold=0.01, permutations=16).bands()


def test_nothing_in_nothing_out() -> None:
    assert len(near_duplicate_pairs([])) == len(near_duplicates_between([], ["gold"])) == 0
    assert resembles_any([], []).tolist() == []
    assert resembles_any(["", "gold"], ["", "gold"]).tolist() == [False, True]
