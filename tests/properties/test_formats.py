"""Whatever the ids, texts and scores: what is written is what is read."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, get_args

from hypothesis import assume, given
from hypothesis import strategies as st

from pyrite.data import (
    Corpus,
    Document,
    Judgment,
    Qrels,
    Queries,
    Query,
    Run,
    ScoreKind,
    TrainingGroup,
    TrainingSet,
)
from pyrite.data.collection import Collection
from pyrite.data.formats import (
    FlagEmbeddingLayout,
    SentenceTransformersLayout,
    TrainingParts,
    from_dataset,
    read_beir,
    read_flag_embedding,
    read_qrels,
    read_run,
    read_sentence_transformers,
    to_dataset,
    write_beir,
    write_flag_embedding,
    write_qrels,
    write_run,
    write_sentence_transformers,
)
from pyrite.data.formats.shapes import Shape

# A whole letter is any but half a surrogate pair, which no UTF-8 file can hold.
LETTERS = st.characters(exclude_categories=["Cs"])
SEPARATORS = st.sampled_from("\t\n\r\v\f\u0085\u00a0\u2028\u2029\ufeff\x00\"\\ '{")
TEXTS = st.text(LETTERS | SEPARATORS, max_size=20)
FILLED = TEXTS.filter(lambda text: text.strip() != "")
JSON_IDS = st.text(LETTERS, min_size=1, max_size=6)
TSV_IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r"), min_size=1, max_size=6).filter(
    lambda text: not text.startswith("\ufeff")
)
TREC_IDS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\r\v\f"), min_size=1, max_size=6
).filter(lambda text: not text.startswith("\ufeff"))
SCORES = st.floats(allow_nan=False, allow_infinity=False)
GRADES = st.integers(0, 2**31 - 1)


@st.composite
def judgements(draw: st.DrawFn, query_ids: list[str], doc_ids: list[str]) -> Qrels:
    pairs = st.tuples(st.sampled_from(query_ids), st.sampled_from(doc_ids))
    chosen = draw(st.dictionaries(pairs, GRADES, min_size=1, max_size=6))
    return Qrels.from_rows(Judgment(*pair, grade) for pair, grade in chosen.items())


@st.composite
def collections(draw: st.DrawFn) -> Collection:
    doc_ids, query_ids = (draw(st.lists(TSV_IDS, min_size=1, max_size=4, unique=True)) for _ in range(2))
    bodies = st.tuples(FILLED, TEXTS) | st.tuples(TEXTS, FILLED)
    splits = draw(st.sets(st.sampled_from(["train", "dev", "test"]), min_size=1))
    return Collection(
        "any",
        Corpus.from_rows(Document(doc_id, *draw(bodies)) for doc_id in doc_ids),
        Queries.from_rows(Query(query_id, draw(FILLED)) for query_id in query_ids),
        {name: draw(judgements(query_ids, doc_ids)) for name in sorted(splits)},
    )


@given(collections())
def test_beir_folders_keep_everything(collection: Collection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_beir(collection, Path(folder))
        read = read_beir(Path(folder))
    assert list(read.corpus.rows()) == list(collection.corpus.rows())
    assert list(read.queries.rows()) == list(collection.queries.rows())
    assert {name: list(qrels.rows()) for name, qrels in read.splits.items()} == {
        name: list(qrels.rows()) for name, qrels in collection.splits.items()
    }


@given(st.dictionaries(st.tuples(TREC_IDS, TREC_IDS), GRADES, min_size=1, max_size=8))
def test_trec_judgements_keep_everything(grades: dict[tuple[str, str], int]) -> None:
    qrels = Qrels.from_rows(Judgment(*pair, grade) for pair, grade in grades.items())
    with tempfile.TemporaryDirectory() as folder:
        write_qrels(qrels, Path(folder, "qrels"))
        assert list(read_qrels(Path(folder, "qrels")).rows()) == list(qrels.rows())


@given(st.dictionaries(st.tuples(TREC_IDS, TREC_IDS), SCORES, min_size=1, max_size=12), TREC_IDS)
def test_runs_keep_scores_to_the_bit_and_rank_as_trec_eval(scores: dict[tuple[str, str], float], tag: str) -> None:
    queries, docs = zip(*scores, strict=True)
    columns: dict[str, Any] = {
        "query_id": queries,
        "doc_id": docs,
        "rank": [1] * len(docs),
        "score": [*scores.values()],
    }
    run = Run.build(tag, ScoreKind.DOT, **columns)
    with tempfile.TemporaryDirectory() as folder:
        write_run(run, Path(folder, "run"))
        read = read_run(Path(folder, "run"), ScoreKind.DOT)
        write_run(read, Path(folder, "again"))
        assert Path(folder, "run").read_bytes() == Path(folder, "again").read_bytes()
    assert read.metadata == run.metadata
    assert read.column("query_id").unique().to_pylist() == list(dict.fromkeys(queries))
    for query_id, hits in read.by_query().items():
        assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
        assert [(hit.score, hit.doc_id) for hit in hits] == sorted(
            ((score, doc) for (query, doc), score in scores.items() if query == query_id), reverse=True
        )
        assert all(hit.score.hex() == scores[query_id, hit.doc_id].hex() for hit in hits)


@st.composite
def training_groups(draw: st.DrawFn, query_id: str, doc_ids: list[str], negatives: int | None) -> TrainingGroup:
    order = draw(st.permutations(doc_ids))
    count = draw(st.integers(1, len(order) - (negatives or 0)))
    end = draw(st.integers(count, len(order))) if negatives is None else count + negatives
    scores = draw(st.lists(st.none() | SCORES, min_size=end, max_size=end))
    weights = draw(st.none() | st.lists(SCORES.map(abs), min_size=end - count, max_size=end - count))
    return TrainingGroup(
        query_id,
        tuple(order[:count]),
        tuple(order[count:end]),
        tuple(weights) if weights else None,
        tuple(scores) if any(score is not None for score in scores) else None,
    )


@st.composite
def training_parts(draw: st.DrawFn, negatives: int | None = None) -> TrainingParts:
    """Draw groups; each has exactly that many negatives, or any number."""
    doc_ids = draw(st.lists(JSON_IDS, min_size=4, max_size=6, unique=True))
    query_ids = draw(st.lists(JSON_IDS, min_size=1, max_size=3, unique=True))
    return TrainingParts(
        Corpus.from_rows(Document(doc_id, draw(FILLED)) for doc_id in doc_ids),
        Queries.from_rows(Query(query_id, draw(FILLED)) for query_id in query_ids),
        TrainingSet.from_rows(draw(training_groups(query_id, doc_ids, negatives)) for query_id in query_ids),
    )


def assert_kept(read: TrainingParts, given_parts: TrainingParts) -> None:
    """Check that groups, queries and the texts of all documents in use are the same."""
    assert list(read.training_set.rows()) == list(given_parts.training_set.rows())
    assert list(read.queries.rows()) == list(given_parts.queries.rows())
    used = {doc_id for group in read.training_set.rows() for doc_id in group.positive_ids + group.negative_ids}
    assert set(read.corpus.ids()) == used
    assert read.corpus.texts() == given_parts.corpus.select(read.corpus.ids()).texts()


@given(training_parts(negatives=2), st.sampled_from(get_args(Shape)), st.sampled_from(["jsonl", "parquet"]))
def test_sentence_transformers_files_keep_everything(parts: TrainingParts, shape: Shape, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"train.{suffix}")
        write_sentence_transformers(parts, path, SentenceTransformersLayout(shape=shape, scores=True))
        assert_kept(read_sentence_transformers(path), parts)


@given(training_parts(negatives=2), st.sampled_from(get_args(Shape)))
def test_data_sets_keep_everything(parts: TrainingParts, shape: Shape) -> None:
    dataset, _ = to_dataset(parts, SentenceTransformersLayout(shape=shape, scores=True))
    assert_kept(from_dataset(dataset), parts)


@given(training_parts())
def test_flag_embedding_files_keep_everything(parts: TrainingParts) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        write_flag_embedding(parts, path, FlagEmbeddingLayout(scores=True, incomplete="keep"))
        assert_kept(read_flag_embedding(path), parts)


@given(training_parts(negatives=2), st.sampled_from(get_args(Shape)))
def test_the_formats_convert_into_each_other(parts: TrainingParts, shape: Shape) -> None:
    with tempfile.TemporaryDirectory() as folder:
        flag, tuples = Path(folder, "flag.jsonl"), Path(folder, "tuples.jsonl")
        write_flag_embedding(parts, flag, FlagEmbeddingLayout(scores=True, incomplete="keep"))
        write_sentence_transformers(
            read_flag_embedding(flag), tuples, SentenceTransformersLayout(shape=shape, scores=True)
        )
        assert_kept(read_sentence_transformers(tuples), parts)


@given(training_parts(negatives=1), st.sampled_from(get_args(Shape)))
def test_texts_without_ids_survive_and_equal_ones_meet(parts: TrainingParts, shape: Shape) -> None:
    texts = dict(zip(parts.corpus.ids(), parts.corpus.texts(), strict=True))
    assume(len(set(texts.values())) == len(texts))
    assume(len(set(parts.queries.texts())) == len(parts.queries))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "train.jsonl")
        write_sentence_transformers(parts, path, SentenceTransformersLayout(shape=shape, ids=False))
        read = read_sentence_transformers(path)
    found = dict(zip(read.corpus.ids(), read.corpus.texts(), strict=True))
    assert read.queries.texts() == parts.queries.texts()
    for new, old in zip(read.training_set.rows(), parts.training_set.rows(), strict=True):
        assert [found[doc_id] for doc_id in new.positive_ids] == [texts[doc_id] for doc_id in old.positive_ids]
        assert [found[doc_id] for doc_id in new.negative_ids] == [texts[doc_id] for doc_id in old.negative_ids]
