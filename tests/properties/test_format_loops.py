"""Around every loop of training formats, what both formats hold comes back."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.data.formats import (
    FlagEmbeddingLayout,
    GplLayout,
    HardNegativesLayout,
    MsSwiftLayout,
    NemoLayout,
    PyLateLayout,
    SentenceTransformersLayout,
    TevatronLayout,
    TrainingLayout,
    TrainingParts,
    Written,
    guess_format,
    read_training_set,
    write_training_set,
)
from pyrite.errors import DataError

LETTERS = st.characters(exclude_categories=["Cs"])
# No tags of media, which ms-swift refuses.
TEXTS = st.text(
    LETTERS | st.sampled_from("\t\n\r\v\f\u0085\u00a0\u2028\ufeff\x00\"\\ '{"),
    max_size=12,
).filter(lambda text: "<" not in text)
FILLED = TEXTS.filter(lambda text: text.strip() != "")
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\ufeff"), min_size=1, max_size=5)
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
WEIGHTS = st.floats(0, 1e6, allow_nan=False)
SOURCES = st.lists(st.sampled_from(["bm25", "dense", "hybrid"]), max_size=2, unique=True).map(tuple)
FIELDS = ("weights", "teacher_scores", "margins", "sources", "example_weight")


@dataclass(frozen=True)
class Kind:
    """A layout, and what it holds beside ids, texts and their order."""

    layout: TrainingLayout
    name: str
    fields: frozenset[str] = frozenset()
    titles: bool = False


def kind(layout: TrainingLayout, name: str, *fields: str, titles: bool = False) -> Kind:
    return Kind(layout, name, frozenset(fields), titles)


KINDS = {
    **{
        f"sentence-transformers {shape}": kind(
            SentenceTransformersLayout(shape=shape, scores=True), name, "weights", "teacher_scores", "example_weight"
        )
        for shape, name in (
            ("triplet", "a.jsonl"),
            ("n-tuple", "a.parquet"),
            ("labeled-pair", "a.jsonl.gz"),
            ("labeled-list", "a.jsonl"),
        )
    },
    "sentence-transformers margins": kind(
        SentenceTransformersLayout(shape="triplet", margins=True), "a.jsonl", "weights", "margins", "example_weight"
    ),
    "flag-embedding": kind(FlagEmbeddingLayout(scores=True, incomplete="keep"), "a.jsonl", *FIELDS),
    "tevatron": kind(TevatronLayout(scores=True), "a.jsonl.gz", *FIELDS, titles=True),
    "tevatron by id": kind(TevatronLayout(passages="ids"), "a.jsonl", titles=True),
    "hard-negatives": kind(HardNegativesLayout(), "a.jsonl.gz", "sources", titles=True),
    "gpl": kind(GplLayout(), "a.tsv", "margins", titles=True),
    "pylate": kind(PyLateLayout(incomplete="keep"), "a.jsonl", "teacher_scores"),
    "nemo": kind(NemoLayout(), "a.json", "teacher_scores"),
    "ms-swift": kind(MsSwiftLayout(), "a.jsonl"),
}

MARGINS = {"gpl", "sentence-transformers margins"}
"""Without margins, and without the scores that they follow from, there is nothing to train on."""


@st.composite
def groups(draw: st.DrawFn, query_id: str, doc_ids: list[str]) -> TrainingGroup:
    """Draw a group that every layout holds: three negatives and a margin for each pair."""
    order = draw(st.permutations(doc_ids))
    count = draw(st.integers(1, len(order) - 3))
    scores = draw(st.lists(st.none() | NUMBERS, min_size=count + 3, max_size=count + 3))
    weights = draw(st.none() | st.tuples(WEIGHTS, WEIGHTS, WEIGHTS))
    margins = draw(st.lists(NUMBERS, min_size=3 * count, max_size=3 * count))
    sources = draw(st.tuples(SOURCES, SOURCES, SOURCES))
    return TrainingGroup(
        query_id,
        tuple(order[:count]),
        tuple(order[count : count + 3]),
        weights,
        tuple(scores) if any(score is not None for score in scores) else None,
        tuple(margins),
        sources if any(sources) else None,
        draw(st.none() | st.floats(0, 1e6)),
    )


@st.composite
def training_parts(draw: st.DrawFn) -> TrainingParts:
    doc_ids = draw(st.lists(IDS, min_size=4, max_size=6, unique=True))
    query_ids = draw(st.lists(IDS, min_size=1, max_size=3, unique=True))
    return TrainingParts(
        Corpus.from_rows(Document(doc_id, draw(FILLED), draw(TEXTS)) for doc_id in doc_ids),
        Queries.from_rows(Query(query_id, draw(FILLED)) for query_id in query_ids),
        TrainingSet.from_rows(draw(groups(query_id, doc_ids)) for query_id in query_ids),
    )


def around(parts: TrainingParts, one: Kind, folder: Path) -> tuple[TrainingParts, Written]:
    folder.mkdir()
    written = write_training_set(parts, folder / one.name, one.layout)
    return read_training_set(folder / one.name), written


def held(parts: TrainingParts, fields: frozenset[str]) -> list[TrainingGroup]:
    """Return the groups with the fields that are held, sources in one order, as no format orders them."""
    lost: dict[str, Any] = dict.fromkeys(set(FIELDS) - fields)
    return [replace(group, **{"sources": _sorted(group.sources), **lost}) for group in parts.training_set.rows()]


def _sorted(sources: tuple[tuple[str, ...], ...] | None) -> tuple[tuple[str, ...], ...] | None:
    return None if sources is None else tuple(tuple(sorted(names)) for names in sources)


@pytest.mark.parametrize("first", KINDS)
@settings(max_examples=25)
@given(parts=training_parts(), second=st.sampled_from(sorted(KINDS)))
def test_around_every_loop(first: str, parts: TrainingParts, second: str) -> None:
    a, b = KINDS[first], KINDS[second]
    with tempfile.TemporaryDirectory() as folder:
        there, _ = around(parts, a, Path(folder, "there"))
        if second in MARGINS:
            assume("margins" in a.fields)
        over, _ = around(there, b, Path(folder, "over"))
        if first in MARGINS and "margins" not in b.fields:
            with pytest.raises(DataError, match=r"GPL trains on margins|groups do not fit the shape"):
                around(over, a, Path(folder, "back"))
            return
        back, _ = around(over, a, Path(folder, "back"))
    given_texts = dict(zip(parts.corpus.ids(), parts.corpus.texts(), strict=True))
    titles = {row.doc_id: (row.title, row.text) for row in parts.corpus.rows()}
    assert held(there, a.fields) == held(parts, a.fields)
    shared = a.fields & b.fields
    assert held(back, shared) == held(parts, shared)
    for read in (there, over, back):
        assert read.queries.texts() == parts.queries.texts()
        assert read.queries.ids() == parts.queries.ids()
        assert read.corpus.texts() == [given_texts[doc_id] for doc_id in read.corpus.ids()]
    if a.titles and b.titles:
        assert {row.doc_id: (row.title, row.text) for row in back.corpus.rows()}.items() <= titles.items()


@given(training_parts())
def test_what_is_lost_is_told(parts: TrainingParts) -> None:
    given_groups = list(parts.training_set.rows())
    for name, one in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            read, written = around(parts, one, Path(folder, "there"))
            assert guess_format(Path(folder, "there", one.name)) == one.layout.type, name
        for field, counted in (
            ("weights", written.unused_weights),
            ("example_weight", written.unused_example_weights),
            ("teacher_scores", written.unused_scores),
            ("margins", written.unused_margins),
            ("sources", written.unused_sources),
        ):
            lost = [
                before
                for before, after in zip(given_groups, read.training_set.rows(), strict=True)
                if getattr(before, field) is not None and getattr(after, field) is None
            ]
            assert counted == len(lost), (name, field)
        used = {doc_id for group in given_groups for doc_id in group.positive_ids + group.negative_ids}
        titled = sum(row.title != "" for row in parts.corpus.rows() if row.doc_id in used)
        assert written.joined_titles == (0 if one.titles else titled)


def test_every_layout_is_in_the_loops() -> None:
    union = TrainingLayout.__origin__  # type: ignore[attr-defined]
    assert {type(one.layout) for one in KINDS.values()} == set(union.__args__)
    assert len(list(itertools.combinations(KINDS, 2))) == 78
