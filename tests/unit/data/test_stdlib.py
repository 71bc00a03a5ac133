"""The standard library as a collection: planted modules, then the interpreter's own."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from pyrite.data import Document, Judgment, Query
from pyrite.data.collection import Collection
from pyrite.data.stdlib import first_sentence, read_stdlib, stdlib_hash
from pyrite.errors import DataError

SHAPES = '''"""A module."""
import functools


@functools.cache
def area(width, height):
    """Return the area of a rectangle.  Negative sides are not refused.

    More.
    """
    # Both in metres.
    return width * height


class Shape:
    """Base of all shapes, e.g. of circles."""

    sides = 0

    def __init__(self):
        """Two words."""
        self.x = 1

    @property
    def name(self):
        "Return the näme of it"; return "ä"

    @name.setter
    def name(self, value):
        """Set the name of it."""
        self.value = value

    def todo(self):
        """Raise when one calls this."""

    def plain(self):
        def inner():
            """Do inner work."""
            return """not a docstring"""
        return inner
'''


def library(folder: Path, **modules: str | bytes) -> Path:
    for name, source in modules.items():
        path = folder / f"{name.replace('__DOT__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.encode() if isinstance(source, str) else source)
    return folder


def test_definitions_become_documents_and_queries(tmp_path: Path) -> None:
    collection = read_stdlib(library(tmp_path, shapes=SHAPES))
    documents = {document.doc_id: document for document in collection.corpus.rows()}
    assert list(documents) == [
        "shapes:area",
        "shapes:Shape",
        "shapes:Shape.name",
        "shapes:Shape.name#2",
        "shapes:Shape.plain.<locals>.inner",
    ]
    assert list(collection.queries.rows()) == [
        Query("q:shapes:area", "Return the area of a rectangle."),
        Query("q:shapes:Shape", "Base of all shapes, e.g. of circles."),
        Query("q:shapes:Shape.name", "Return the näme of it"),
        Query("q:shapes:Shape.name#2", "Set the name of it."),
        Query("q:shapes:Shape.plain.<locals>.inner", "Do inner work."),
    ]
    assert documents["shapes:area"] == Document(
        "shapes:area",
        "@functools.cache\ndef area(width, height):\n    # Both in metres.\n    return width * height",
    )
    assert documents["shapes:Shape.name"].text == '@property\ndef name(self):\n    ; return "ä"'
    assert documents["shapes:Shape.plain.<locals>.inner"].text == 'def inner():\n    return """not a docstring"""'


def test_a_class_loses_the_docstrings_of_its_methods_too(tmp_path: Path) -> None:
    collection = read_stdlib(library(tmp_path, shapes=SHAPES))
    text = collection.corpus.select(["shapes:Shape"]).texts()[0]
    assert text.startswith("class Shape:\n\n    sides = 0\n\n    def __init__(self):\n        self.x = 1\n")
    for query in collection.queries.texts():
        assert query not in text
    assert '"""not a docstring"""' in text


def test_copies_are_relevant_to_each_others_queries(tmp_path: Path) -> None:
    one = 'def area(a):\n    """Multiply the given sides."""\n    return 1\n'
    two = 'def area(a):\n    """Take the product of both."""\n\n    return  1\n'
    collection = read_stdlib(library(tmp_path, one=one, two=two, three=one.replace("return 1", "return 2")))
    judged = [row for qrels in collection.splits.values() for row in qrels.rows()]
    assert sorted(judged, key=lambda row: (row.query_id, row.doc_id)) == [
        Judgment("q:one:area", "one:area", 1, "seed"),
        Judgment("q:one:area", "two:area", 1, "seed"),
        Judgment("q:three:area", "three:area", 1, "seed"),
        Judgment("q:two:area", "one:area", 1, "seed"),
        Judgment("q:two:area", "two:area", 1, "seed"),
    ]


def test_tests_tables_and_packages_are_left_out(tmp_path: Path) -> None:
    source = 'def f():\n    """Do one small thing."""\n    return 1\n'
    names = [
        "a__DOT____init__",
        "a__DOT__b",
        "test__DOT__t",
        "a__DOT__tests__DOT__t",
        "idlelib__DOT__idle_test__DOT__t",
    ]
    names += ["site-packages__DOT__p", "pydoc_data__DOT__topics", "_sysconfigdata__linux", "config-3__DOT__c"]
    collection = read_stdlib(library(tmp_path, **dict.fromkeys(names, source)))
    assert collection.corpus.ids() == ["a:f", "a.b:f"]


def test_files_that_do_not_parse_are_skipped_and_counted(tmp_path: Path) -> None:
    good = "def f():\n    '''Do one small thing.'''\n    return '\\d'\n"
    latin = b"# -*- coding: latin-1 -*-\r\ndef g():\r\n    'Say caf\xe9 to them.'\r\n    return 1\r\n"
    bad = {"broken": "def f(:\n", "bytes": b"x = '\xff'\n", "zero": b"x = 1\0\n", "coding": b"# coding: none-such\n"}
    collection = read_stdlib(library(tmp_path, good=good, latin=latin, **bad))
    assert collection.corpus.ids() == ["good:f", "latin:g"]
    assert collection.queries.texts() == ["Do one small thing.", "Say café to them."]
    assert collection.corpus.metadata == {"source_hash": stdlib_hash(tmp_path), "files": 6, "skipped_files": 4}


def test_the_hash_follows_names_and_bytes(tmp_path: Path) -> None:
    first = stdlib_hash(library(tmp_path / "a", one="x = 1\n", two="y = 1\n"))
    assert first == stdlib_hash(library(tmp_path / "b", two="y = 1\n", one="x = 1\n", test__DOT__t="z = 1\n"))
    assert first != stdlib_hash(library(tmp_path / "c", one="x = 2\n", two="y = 1\n"))
    assert first != stdlib_hash(library(tmp_path / "d", one="x = 1\n", three="y = 1\n"))


def test_folders_without_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such folder"):
        stdlib_hash(tmp_path / "nowhere")
    with pytest.raises(DataError, match="none of 0 Python files holds a documented definition"):
        read_stdlib(tmp_path)


@pytest.mark.parametrize(
    ("docstring", "sentence"),
    [
        ("One two three", "One two three"),
        ("Is it? Yes.", "Is it?"),
        ("Use a.b to go on. More.", "Use a.b to go on."),
        ("Split on i.e. commas, etc. and so on! More", "Split on i.e. commas, etc. and so on!"),
        ("Over\n  two   lines\n \nnext. paragraph", "Over two lines"),
        ("", ""),
    ],
)
def test_first_sentences(docstring: str, sentence: str) -> None:
    assert first_sentence(docstring) == sentence


@pytest.fixture(scope="module")
def own_library() -> tuple[Collection, float]:
    """The interpreter's own library, and the seconds of computing that reading it took."""
    start = time.process_time()
    return read_stdlib(), time.process_time() - start


def test_the_interpreters_own_library(own_library: tuple[Collection, float]) -> None:
    collection, seconds = own_library
    assert seconds < 10
    assert 5600 <= len(collection.corpus) <= 8000
    assert collection.corpus.metadata["source_hash"] == stdlib_hash()
    modules = {
        name: {query_id.removeprefix("q:").split(":")[0] for query_id in qrels.query_ids()}
        for name, qrels in collection.splits.items()
    }
    assert list(modules) == ["train", "dev", "test"]
    assert not modules["train"] & modules["dev"]
    assert not modules["train"] & modules["test"]
    assert not modules["dev"] & modules["test"]
    queries = {name: len(qrels.query_ids()) for name, qrels in collection.splits.items()}
    assert sum(queries.values()) == len(collection.queries) == len(collection.corpus)
    assert 0.65 < queries["train"] / len(collection.queries) < 0.85
    assert queries["dev"] > 200
    assert queries["test"] > 700


def test_the_interpreters_copies_and_sources(own_library: tuple[Collection, float]) -> None:
    collection, _ = own_library
    keys = dict(zip(collection.corpus.ids(), collection.corpus.copy_keys().tolist(), strict=True))
    for qrels in collection.splits.values():
        for judgment in qrels.rows():
            assert keys[judgment.doc_id] == keys[judgment.query_id.removeprefix("q:")]
    text = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))["textwrap:dedent"]
    assert text.startswith("def dedent(text):")
    assert ast.get_docstring(ast.parse(text).body[0]) is None  # type: ignore[arg-type]
