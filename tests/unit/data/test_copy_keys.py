"""When two texts are the same."""

from __future__ import annotations

import pytest

from pyrite.data import Corpus, Document
from pyrite.data.text import copy_keys, normalise, text_key


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
    one, two, three, four, five = copy_keys(Corpus.from_rows(documents))
    assert one == two
    assert three == four
    assert len({one, three, five}) == 3


def test_an_empty_text_has_no_key() -> None:
    assert text_key(" \n") == ""
    assert text_key("A  text") == text_key("a text") != text_key("a test")
