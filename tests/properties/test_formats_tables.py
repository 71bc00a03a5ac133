"""Tables and their fingerprints: independent of how rows lie in memory or on disk."""

from __future__ import annotations

import tempfile
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data import Corpus, Document, TableWriter, TrainingGroup, TrainingSet
from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.data.text import normalise

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False)
COLUMNS = {
    "text": (pa.string(), st.none() | TEXTS),
    "number": (pa.float64(), st.none() | NUMBERS),
    "flag": (pa.bool_(), st.none() | st.booleans()),
    "list": (pa.list_(pa.string()), st.none() | st.lists(st.none() | TEXTS, max_size=3)),
    "numbers": (pa.list_(pa.float64()), st.none() | st.lists(st.none() | NUMBERS, max_size=3)),
}


@st.composite
def arrow_tables(draw: st.DrawFn) -> pa.Table:
    rows = draw(st.integers(0, 8))
    return pa.table(
        {
            name: pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), kind)
            for name, (kind, values) in COLUMNS.items()
        }
    )


def cut(table: pa.Table, places: list[int]) -> pa.Table:
    """Cut a table into chunks at these rows, empty ones among them."""
    bounds = [0, *sorted(min(place, table.num_rows) for place in places), table.num_rows]
    return pa.concat_tables([table.slice(start, end - start) for start, end in pairwise(bounds)])


@given(arrow_tables(), st.lists(st.integers(0, 8), max_size=4))
def test_chunks_do_not_show(table: pa.Table, places: list[int]) -> None:
    assert fingerprint_arrow(cut(table, places)) == fingerprint_arrow(table)
    assert fingerprint_arrow(cut(table, places).combine_chunks()) == fingerprint_arrow(table)


@given(arrow_tables(), arrow_tables())
def test_equal_fingerprints_mean_equal_tables(one: pa.Table, two: pa.Table) -> None:
    def values(table: pa.Table) -> str:
        return repr(table.to_pydict())  # 0.0 and -0.0 are equal numbers and different contents

    assert (fingerprint_arrow(one) == fingerprint_arrow(two)) == (values(one) == values(two))


@st.composite
def groups(draw: st.DrawFn) -> list[TrainingGroup]:
    made = []
    for query_id in draw(st.lists(TEXTS, max_size=4, unique=True)):
        positives, negatives = draw(st.lists(TEXTS, min_size=1, max_size=3)), draw(st.lists(TEXTS, max_size=3))
        weights = st.lists(st.floats(0, 1e6), min_size=len(negatives), max_size=len(negatives)).map(tuple)
        size = len(positives) + len(negatives)
        scores = st.lists(st.none() | NUMBERS, min_size=size, max_size=size).map(tuple)
        row = (tuple(positives), tuple(negatives), draw(st.none() | weights), draw(st.none() | scores))
        made.append(TrainingGroup(query_id, *row))
    return made


@given(groups())
def test_rows_survive_tables_and_files(rows: list[TrainingGroup]) -> None:
    table = TrainingSet.from_rows(rows)
    assert list(table.rows()) == rows
    with tempfile.TemporaryDirectory() as folder:
        table.save(Path(folder))
        read = TrainingSet.open(Path(folder))
    assert list(read.rows()) == rows
    assert read.fingerprint() == table.fingerprint()


@given(st.lists(st.lists(TEXTS, max_size=4), max_size=4), st.integers(1, 5))
def test_pieces_make_the_same_table_as_the_whole(pieces: list[list[str]], batch_rows: int) -> None:
    texts = list(chain(*pieces))
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    rest = iter(documents)
    with tempfile.TemporaryDirectory() as folder:
        with TableWriter(Corpus, Path(folder)) as writer:
            for piece in pieces:
                writer.write_rows([next(rest) for _ in piece])
        read = Corpus.open(Path(folder))
        streamed = [
            text for batch in Corpus.stream(Path(folder), batch_rows) for text in batch.column("text").to_pylist()
        ]
    assert read.fingerprint() == Corpus.from_rows(documents).fingerprint()
    assert streamed == texts


@given(TEXTS)
def test_the_normal_form_ignores_case_and_white_space(text: str) -> None:
    assert normalise(f" \n{text}\t") == normalise(text)
    assert normalise(text.replace(" ", " \u00a0\n")) == normalise(text)
    assert normalise(normalise(text)) == normalise(text)
