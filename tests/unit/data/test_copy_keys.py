"""When two texts are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Corpus, Document, Queries, Query, TableWriter
from pyrite.data.text import normalise, text_key
from pyrite.errors import DataError


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("  The\u00a0CAT\n\tsat ", "the cat sat"),
        ("ﬁne Ⅳ", "fine iv"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("e\u0301", "é"),
        ("\u0390", "\u0390"),
        ("\u0390".upper(), "\u0390"),
        (" \n", ""),
    ],
)
def test_normal_forms(text: str, form: str) -> None:
    assert normalise(text) == form


def test_keys_follow_texts_and_titles_only_where_there_is_no_text() -> None:
    documents = [
        Document("1", "A  text", "one title"),
        Document("2", "a text", "another"),
        Document("3", "", "A  Title"),
        Document("4", " ", "a title"),
        Document("5", "a title"),
    ]
    one, two, three, four, five = Corpus.from_rows(documents).copy_keys().tolist()
    assert one == two
    assert three == four
    assert len({one, three, five}) == 3


def test_an_empty_text_has_no_key() -> None:
    assert text_key(" \n") == 0
    assert text_key("A text", "title") not in (text_key("A text"), 0)
    assert text_key("A  text") == text_key("a text") != text_key("a test")


def test_keys_lie_beside_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus.from_rows([Document("1", "A  text"), Document("2", "a text"), Document("3", "", "a text")])
    queries = Queries.from_rows([Query("q", "A text")])
    corpus.save(tmp_path)
    queries.save(tmp_path / "queries")
    monkeypatch.setattr("pyrite.data.texts.text_key", None)
    assert Corpus.open(tmp_path).copy_keys().tolist() == corpus.copy_keys().tolist()
    assert Queries.open(tmp_path / "queries").copy_keys()[0] == corpus.copy_keys()[0]


def test_keys_that_do_not_fit_the_table_are_refused(tmp_path: Path) -> None:
    Corpus.from_rows([Document("1", "A  text")]).save(tmp_path)
    for keys in (np.zeros(2, dtype=np.uint64), np.zeros(1)):
        np.save(tmp_path / "corpus.keys.npy", keys)
        with pytest.raises(DataError, match="wants one uint64 for each of 1 rows"):
            Corpus.open(tmp_path)
    (tmp_path / "corpus.keys.npy").write_bytes(b"")
    with pytest.raises(DataError, match=r"corpus.keys.npy: damaged"):
        Corpus.open(tmp_path)


def test_a_table_written_over_another_does_not_keep_its_keys(tmp_path: Path) -> None:
    Corpus.from_rows([Document("1", "one")]).save(tmp_path)
    with TableWriter(Corpus, tmp_path) as writer:
        writer.write_rows([Document("1", "two")])
    assert Corpus.open(tmp_path).copy_keys().tolist() == [text_key("two")]
