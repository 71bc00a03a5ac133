"""Hugging Face data sets in and out, and what sentence-transformers' own collator makes of them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from datasets import Dataset, DatasetDict

from pyrite.data import Corpus, Document, Qrels, Queries, Query, Run, ScoreKind, TrainingGroup, TrainingSet
from pyrite.data.formats import TrainingParts, Written, from_dataset, table_from_dataset, table_to_dataset, to_dataset
from pyrite.data.formats.sentence_transformers import SentenceTransformersLayout
from pyrite.data.formats.shapes import Shape
from pyrite.errors import DataError


def parts() -> TrainingParts:
    documents = [Document("d1", "first"), Document("d2", "second\nline"), Document("d3", "thïrd")]
    groups = [
        TrainingGroup("q1", ("d1",), ("d2", "d3"), None, (0.5, None, 0.25)),
        TrainingGroup("q2", ("d3",), ("d1", "d2")),
    ]
    queries = [Query("q1", "one"), Query("q2", "two")]
    return TrainingParts(Corpus.from_rows(documents), Queries.from_rows(queries), TrainingSet.from_rows(groups))


def test_a_data_set_holds_what_the_trainer_reads_and_nothing_else() -> None:
    dataset, written = to_dataset(parts())
    assert dataset.column_names == ["anchor", "positive", "negative_1", "negative_2"]
    assert dataset[1] == {"anchor": "two", "positive": "thïrd", "negative_1": "first", "negative_2": "second\nline"}
    assert written == Written(rows=2, unused_scores=1, unused_ids=2)


@pytest.mark.parametrize("shape", get_args(Shape))
def test_the_loop_keeps_ids_texts_order_and_scores(shape: Shape) -> None:
    given = parts()
    dataset, _ = to_dataset(given, SentenceTransformersLayout(shape=shape, scores=True))
    back = from_dataset(dataset)
    assert list(back.training_set.rows()) == list(given.training_set.rows())
    assert list(back.queries.rows()) == list(given.queries.rows())
    assert sorted(back.corpus.rows(), key=lambda row: row.doc_id) == list(given.corpus.rows())


def test_filtered_data_sets_give_their_rows_alone() -> None:
    dataset, _ = to_dataset(parts(), SentenceTransformersLayout())
    assert from_dataset(dataset.select([1])).training_set.column("query_id").to_pylist() == ["q2"]
    assert from_dataset(dataset.select([1, 0])).training_set.column("query_id").to_pylist() == ["q2", "q1"]


def test_faults_of_a_data_set_give_the_row() -> None:
    dataset = Dataset.from_dict({"anchor": ["a", "b"], "positive": ["x", None]})
    with pytest.raises(DataError, match="the data set:2: `positive` is null, wants a string"):
        from_dataset(dataset)


def test_a_split_must_be_chosen() -> None:
    splits = DatasetDict({"train": Dataset.from_dict({"anchor": ["a"], "positive": ["x"]})})
    with pytest.raises(DataError, match="this is a DatasetDict; choose one split of it"):
        from_dataset(splits)


def test_tables_in_and_out() -> None:
    qrels = Qrels.from_columns(query_id=["q", "q"], doc_id=["a", "b"], grade=[2, 0], source=["human", "llm"])
    back = table_from_dataset(table_to_dataset(qrels), Qrels)
    assert back.fingerprint() == qrels.fingerprint()
    run = Run.build("bm25", ScoreKind.BM25, query_id=["q"], doc_id=["d"], rank=[1], score=[0.5])
    assert table_from_dataset(table_to_dataset(run), Run, run.metadata).fingerprint() == run.fingerprint()
    with pytest.raises(DataError, match=r"missing: \['text', 'title'\]"):
        table_from_dataset(table_to_dataset(qrels), Corpus)


def test_the_trainers_collator_reads_the_columns_as_meant() -> None:
    from sentence_transformers.base.data_collator import BaseDataCollator

    def preprocess(texts: list[str], **_: Any) -> dict[str, Any]:
        return {"texts": texts}

    dataset, _ = to_dataset(
        TrainingParts(parts().corpus, parts().queries, TrainingSet.from_rows([*parts().training_set.rows()][:1])),
        SentenceTransformersLayout(negatives=0, ids=False),
    )
    batch = BaseDataCollator(preprocess_fn=preprocess)(list(dataset))
    assert {name: value for name, value in batch.items() if name.endswith("texts")} == {
        "anchor_texts": ["one"],
        "positive_texts": ["first"],
    }
    assert "label" not in batch
