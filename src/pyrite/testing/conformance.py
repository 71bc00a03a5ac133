"""Checks that a plug-in keeps its protocol. Call them in the plug-in's own tests.

Each check raises AssertionError at the first promise that is not kept, and says which.

Example:
    >>> from pyrite.search import LexicalRetriever
    >>> check_retriever(LexicalRetriever())
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from pyrite.data.records import ScoredDoc
from pyrite.data.tables import Corpus, Queries, Run, ScoreKind
from pyrite.errors import DataError, SearchError
from pyrite.models.protocols import Encoder, PairScorer, Role
from pyrite.search.retriever import Index, Pairs, Retriever
from pyrite.settings import Json
from pyrite.testing.tiny import tiny_collection

__all__ = ["check_encoder", "check_index", "check_pair_scorer", "check_retriever"]

_ROLES: tuple[Role, Role] = ("query", "document")
_TEXTS = ("fool's gold", "Ein Körnchen Gold 金", "a", "pyrite " * 300)
_COPY_IDS = ("A", "zz", "ä")
_TOLERANCE = 1e-4


def check_encoder(encoder: Encoder, texts: Sequence[str] = _TEXTS) -> None:
    """Check shape, type, length, independence of the batch, and the identity of an encoder.

    Args:
        encoder: The encoder.
        texts: At least two texts that it can encode.

    Raises:
        AssertionError: A promise of `Encoder` is not kept.
    """
    _check_identity(encoder.identity)
    _require(encoder.dimension > 0, f"dimension is a positive number, not {encoder.dimension}")
    for role in _ROLES:
        vectors = encoder.encode(texts, role)
        wanted = (len(texts), encoder.dimension)
        _require(vectors.dtype == np.float32, f"encode returns float32, not {vectors.dtype}")
        _require(vectors.shape == wanted, f"encode returns the shape {wanted}, not {vectors.shape}")
        _require(bool(np.isfinite(vectors).all()), "a vector holds a number that is not finite")
        if encoder.score_kind is ScoreKind.COSINE:
            lengths = np.linalg.norm(vectors, axis=1)
            _require(np.allclose(lengths, 1, atol=_TOLERANCE), f"cosine wants unit vectors; their lengths: {lengths}")
        alone = np.concatenate([encoder.encode([text], role) for text in texts])
        _require(_close(alone, vectors), f"a vector of the role {role!r} depends on the other texts of its batch")
        turned = encoder.encode(list(reversed(texts)), role)[::-1]
        _require(_close(turned, vectors), f"a vector of the role {role!r} depends on the order of the texts")
        empty = encoder.encode([], role)
        _require(empty.shape == (0, encoder.dimension), f"no texts give the shape {empty.shape}")


def check_pair_scorer(scorer: PairScorer) -> None:
    """Check shape, type, independence of the batch, and the identity of a pair scorer.

    Raises:
        AssertionError: A promise of `PairScorer` is not kept.
    """
    _check_identity(scorer.identity)
    pairs = [(query, document) for query in _TEXTS[:2] for document in _TEXTS]
    scores = scorer.score(pairs)
    _require(scores.dtype == np.float64, f"score returns float64, not {scores.dtype}")
    _require(scores.shape == (len(pairs),), f"score returns the shape ({len(pairs)},), not {scores.shape}")
    _require(bool(np.isfinite(scores).all()), "a score is not finite")
    alone = np.concatenate([scorer.score([pair]) for pair in pairs])
    _require(_close(alone, scores), "a score depends on the other pairs of its batch")
    _require(scorer.score([]).shape == (0,), "no pairs give no scores")


def check_retriever(retriever: Retriever, reopen: Callable[[Path], Index] | None = None) -> None:
    """Build an index of the tiny collection and of copies of its documents, and check it.

    Args:
        retriever: The retriever.
        reopen: How to open a saved index where `open` alone does not make it searchable, such as
            `lambda folder: attached(DenseIndex.open(folder))`.

    Raises:
        AssertionError: A promise of `Retriever` or of its `Index` is not kept.
    """
    _check_identity(retriever.identity)
    tiny = tiny_collection()
    documents = list(tiny.corpus.rows())
    copies = [replace(document, doc_id=name) for name, document in zip(_COPY_IDS, documents, strict=False)]
    corpus = Corpus.from_rows([*documents, *copies])
    index = retriever.build(corpus)
    _require(index.name == retriever.name, f"the index is named {index.name!r}, its retriever {retriever.name!r}")
    check_index(index, corpus, tiny.queries, reopen)


def check_index(index: Index, corpus: Corpus, queries: Queries, reopen: Callable[[Path], Index] | None = None) -> None:
    """Check what an index promises.

    Args:
        index: The index.
        corpus: The corpus that it was built of.
        queries: At least two queries.
        reopen: As in `check_retriever`.

    Raises:
        AssertionError: A promise of `Index` is not kept.
    """
    whole = index.search(queries, len(corpus))
    _check_run(index, whole, corpus, queries)
    _check_depth(index, whole, queries)
    _check_query_order(index, whole, queries)
    _check_pair_scores(index, whole, queries)
    _check_unknown_ids(index, corpus, queries)
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        opened = (reopen or type(index).open)(Path(folder))
        again = opened.search(queries, len(corpus))
    _require(opened.name == index.name, f"the opened index is named {opened.name!r}, the saved one {index.name!r}")
    _require(again.by_query() == whole.by_query(), "an index that was saved and opened ranks differently")


def _check_run(index: Index, run: Run, corpus: Corpus, queries: Queries) -> None:
    _require(run.scorer == index.name, f"the run names the scorer {run.scorer!r}, not {index.name!r}")
    _require(run.score_kind is index.score_kind, f"the run's scores are {run.score_kind}, not {index.score_kind}")
    for query_id, hits in run.by_query().items():
        _require(query_id in queries, f"the run holds a query that was not asked: {query_id!r}")
        _require(all(hit.doc_id in corpus for hit in hits), f"{query_id}: a document that the corpus lacks")
        _require([hit.rank for hit in hits] == list(range(1, len(hits) + 1)), f"{query_id}: ranks are not 1, 2, 3 ...")
        _require(hits == sorted(hits, key=_best_first, reverse=True), f"{query_id}: not by score, then id, descending")


def _check_depth(index: Index, whole: Run, queries: Queries) -> None:
    top = index.search(queries, 3).by_query()
    for query_id, hits in whole.by_query().items():
        _require(_ids(top[query_id]) == _ids(hits[:3]), f"{query_id}: depth 3 is not the head of the whole ranking")


def _check_query_order(index: Index, whole: Run, queries: Queries) -> None:
    turned = index.search(queries.select(queries.ids()[::-1]), len(whole)).by_query()
    _require(turned == whole.by_query(), "the ranking depends on the order of the queries")


def _check_pair_scores(index: Index, whole: Run, queries: Queries) -> None:
    pairs = Pairs(whole.column("query_id").to_pylist(), whole.column("doc_id").to_pylist())
    scores = index.score(queries, pairs)
    _require(scores.dtype == np.float64, f"score returns float64, not {scores.dtype}")
    _require(_close(scores, whole.column("score").to_numpy()), "score() differs from what search() gave")


def _check_unknown_ids(index: Index, corpus: Corpus, queries: Queries) -> None:
    query_id, doc_id, nobody = queries.ids()[0], corpus.ids()[0], "no such id"
    with _raises(SearchError, "score() of a document that is not in the index"):
        index.score(queries, Pairs([query_id], [nobody]))
    with _raises(DataError, "score() of a query that is not among the queries"):
        index.score(queries, Pairs([nobody], [doc_id]))


def _check_identity(identity: Callable[[], Json]) -> None:
    try:
        text = json.dumps(identity(), sort_keys=True)
    except TypeError as error:
        _fail(f"identity() is not JSON: {error}")
    _require(text not in {"null", "{}", "[]", '""'}, "identity() is empty; it names all that the result depends on")
    _require(text == json.dumps(identity(), sort_keys=True), "identity() differs between two calls")


@contextmanager
def _raises(error: type[Exception], what: str) -> Iterator[None]:
    try:
        yield
    except error:
        return
    _fail(f"{what} raises {error.__name__}")


def _best_first(hit: ScoredDoc) -> tuple[float, str]:
    return (hit.score, hit.doc_id)


def _ids(hits: Sequence[ScoredDoc]) -> list[str]:
    return [hit.doc_id for hit in hits]


def _close(one: np.ndarray, two: np.ndarray) -> bool:
    return bool(np.allclose(one, two, rtol=_TOLERANCE, atol=_TOLERANCE))


def _require(kept: bool, message: str) -> None:
    if not kept:
        _fail(message)


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)
