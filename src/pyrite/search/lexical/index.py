"""Lexical search over any engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.data.fingerprint import fingerprint_arrow
from pyrite.errors import DataError, SearchError
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.bm25s_engine import Bm25sEngine
from pyrite.search.lexical.engines import Bm25sSettings, EngineSettings, LexicalEngine, PyseriniSettings
from pyrite.search.lexical.pyserini_engine import PyseriniEngine
from pyrite.search.lexical.rank_bm25_engine import RankBm25Engine
from pyrite.search.lexical.strings import look_up, map_strings, save_strings
from pyrite.search.lexical.tokens import TokenWriter
from pyrite.search.results import ranked_run
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth
from pyrite.settings import Json, Settings, canonical_hash, parse_settings

__all__ = ["LexicalIndex", "LexicalRetriever", "LexicalSettings"]

_VERSION = 2
_IDS = "doc_ids.arrow"
_PART = 16_384


class LexicalSettings(Settings):
    """How to search by words: the analysis of texts and the engine with its formula."""

    analysis: Analysis = Analysis()
    """How texts become tokens; the same for documents and queries."""
    title_weight: int = Field(default=1, ge=0)
    """How often the title counts, before the text: 1 reads title and text as one, 0 leaves titles
    out. The simple BM25F of Robertson, Zaragoza and Taylor (CIKM 2004): weighted frequencies and
    lengths, then one saturation."""
    engine: EngineSettings = Bm25sSettings()
    """The engine, its formula and constants."""

    @model_validator(mode="after")
    def _one_analysis(self) -> Self:
        own = isinstance(self.engine, PyseriniSettings) and self.engine.language is not None
        if own and self.analysis != Analysis():
            raise ValueError("engine.language has Lucene analyse the texts: leave it empty, or leave out analysis")
        return self


class LexicalRetriever:
    """A `Retriever` by words: BM25 with the analysis and engine of the settings.

    Args:
        settings: Analysis, engine, formula and constants.
        name: The name that runs and candidates carry.

    Example:
        >>> from pyrite.data import Document, Query
        >>> corpus = Corpus.from_rows([Document("a", "fool's gold"), Document("b", "rose quartz")])
        >>> queries = Queries.from_rows([Query("q", "is gold found with quartz?")])
        >>> run = LexicalRetriever().build(corpus).search(queries, depth=2)
        >>> sorted(hit.doc_id for hit in run.by_query()["q"])
        ['a', 'b']
    """

    def __init__(self, settings: LexicalSettings | None = None, name: str = "bm25") -> None:
        self.settings = settings or LexicalSettings()
        self.name = name

    def build(self, corpus: Corpus) -> LexicalIndex:
        """Analyse and index a corpus.

        Raises:
            DataError: The corpus is empty, or none of its texts holds a token.
        """
        ids = corpus.column("doc_id").cast(pa.large_string()).combine_chunks()
        # Among equal scores the larger id goes first: with the largest id in the first row, the first row does.
        order = pc.sort_indices(ids, sort_keys=[("", "descending")]).to_numpy().astype(np.int64)
        engine = _build_engine(corpus, order, self.settings)
        return LexicalIndex(self.name, ids.take(pa.array(order)), self.settings, engine)

    def identity(self) -> Json:
        """Return the settings."""
        return self.settings.identity()


class LexicalIndex:
    """A corpus searchable by words. Documents that share no token with a query are left out.

    Args:
        name: The name that runs carry.
        doc_ids: The documents, in the engine's order, which is descending; large strings.
        settings: What the index was built with.
        engine: Gives the scores.
    """

    kind = "lexical_index"

    def __init__(self, name: str, doc_ids: pa.Array, settings: LexicalSettings, engine: LexicalEngine) -> None:
        self.name = name
        self.settings = settings
        self._doc_ids = doc_ids
        self._engine = engine

    def __len__(self) -> int:
        return len(self._doc_ids)

    @property
    def score_kind(self) -> ScoreKind:
        """Sums of term weights."""
        return ScoreKind.BM25

    def search(self, queries: Queries, depth: int) -> Run:
        """Return the best `depth` documents of each query.

        Raises:
            SearchError: The depth is below 1.
        """
        check_depth(depth)
        hits = self._engine.search(queries.texts(), depth)
        return ranked_run(self.name, self.score_kind, self._doc_ids, queries.column("query_id"), hits)

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the BM25 score of each pair, float64.

        Raises:
            SearchError: A document is not in the index.
        """
        documents = look_up(pairs.doc_ids, self._doc_ids, descending=True)
        if len(documents) and documents.min() < 0:
            unknown = pairs.doc_ids[int(documents.argmin())]
            raise SearchError(f"the index {self.name!r} holds no document {unknown!r}")
        asked = {query_id: row for row, query_id in enumerate(dict.fromkeys(pairs.query_ids))}
        rows = np.array([asked[query_id] for query_id in pairs.query_ids], dtype=np.int64)
        return self._engine.score(queries.select(list(asked)).texts(), rows, documents)

    def save(self, folder: Path) -> None:
        """Write the index."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"version": _VERSION, "name": self.name, "settings": self.settings.model_dump(mode="json")}
        (folder / "index.json").write_text(json.dumps(head), encoding="utf-8")
        save_strings(self._doc_ids, folder / _IDS)
        self._engine.save(folder)

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """Open a saved index; ids, terms and postings stay on disk until they are looked at.

        Raises:
            SearchError: The folder holds none, or one of another version.
        """
        try:
            head = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SearchError(f"{folder}: holds no lexical index (index.json)") from None
        if head.get("version") != _VERSION:
            raise SearchError(f"{folder}: a lexical index of another version of Pyrite; build it again")
        settings = parse_settings(LexicalSettings, head["settings"], f"{folder}/index.json: settings")
        doc_ids = map_strings(folder / _IDS)
        return cls(head["name"], doc_ids, settings, _open_engine(folder, len(doc_ids), settings))

    def fingerprint(self) -> str:
        """Return a hash of the settings, the documents and the engine's scores."""
        ids = fingerprint_arrow(pa.table({"doc_id": self._doc_ids}))
        return canonical_hash([self.settings.identity(), ids, self._engine.fingerprint()])

    def summary(self) -> dict[str, Any]:
        """Return the number of documents and the engine."""
        return {"documents": len(self), "engine": self.settings.engine.type}


def _build_engine(corpus: Corpus, order: np.ndarray, settings: LexicalSettings) -> LexicalEngine:
    if isinstance(settings.engine, PyseriniSettings):
        rows = corpus.arrow.take(pa.array(order))
        content = fingerprint_arrow(rows.select(["title", "text"]))
        return PyseriniEngine.build(_texts(rows, settings.title_weight), content, settings.analysis, settings.engine)
    writer = TokenWriter(settings.analysis)
    for texts in _texts(corpus.arrow, settings.title_weight):
        writer.add(texts)
    tokens = writer.tokens()
    if not tokens.terms:
        raise DataError("a lexical index wants a corpus with at least one word")
    if isinstance(settings.engine, Bm25sSettings):
        return Bm25sEngine.build(tokens, order, settings.analysis, settings.engine)
    documents = list(tokens.lists())
    return RankBm25Engine([documents[row] for row in order], settings.analysis, settings.engine)


def _open_engine(folder: Path, documents: int, settings: LexicalSettings) -> LexicalEngine:
    if isinstance(settings.engine, PyseriniSettings):
        return PyseriniEngine.open(folder, settings.analysis, settings.engine)
    if isinstance(settings.engine, Bm25sSettings):
        return Bm25sEngine.open(folder, documents, settings.analysis)
    return RankBm25Engine.open(folder, settings.analysis, settings.engine)


def _texts(rows: pa.Table, title_weight: int) -> Iterator[pa.Array]:
    """Yield the texts of documents in parts: the title as often as it counts, then the text."""
    for batch in rows.to_batches(max_chunksize=_PART):
        yield pc.binary_join_element_wise(*[batch.column("title")] * title_weight, batch.column("text"), " ")
