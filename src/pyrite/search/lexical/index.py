"""Lexical search over any engine."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.errors import DataError, SearchError
from pyrite.search.documents import IndexedDocuments
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.bm25s_engine import Bm25sEngine
from pyrite.search.lexical.engines import Bm25sSettings, EngineSettings, LexicalEngine
from pyrite.search.lexical.rank_bm25_engine import RankBm25Engine
from pyrite.search.results import RunBuilder
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth, top_indices
from pyrite.settings import Json, Settings, canonical_hash, parse_settings

__all__ = ["LexicalIndex", "LexicalRetriever", "LexicalSettings"]

# Scores nearer to the floor than this are rounding, not a shared term.
_EPSILON = 1e-9


class LexicalSettings(Settings):
    """How to search by words: the analysis of texts and the engine with its formula."""

    analysis: Analysis = Analysis()
    """How texts become tokens; the same for documents and queries."""
    engine: EngineSettings = Bm25sSettings()
    """The engine, its formula and constants."""


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
        documents = self.settings.analysis.analyse(corpus.texts())
        if not any(documents):
            raise DataError("a lexical index wants a corpus with at least one word")
        engine = _build_engine(documents, self.settings.engine)
        return LexicalIndex(self.name, corpus.ids(), self.settings, engine)

    def identity(self) -> Json:
        """Return the settings."""
        return self.settings.identity()


class LexicalIndex:
    """A corpus searchable by words. Documents that share no token with a query are left out.

    Args:
        name: The name that runs carry.
        doc_ids: The documents, in the engine's order.
        settings: What the index was built with.
        engine: Gives the scores.
    """

    kind = "lexical_index"

    def __init__(self, name: str, doc_ids: list[str], settings: LexicalSettings, engine: LexicalEngine) -> None:
        self.name = name
        self.doc_ids = doc_ids
        self.settings = settings
        self._engine = engine
        self._documents = IndexedDocuments(name, doc_ids)

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
        builder = RunBuilder(self.name, self.score_kind, self.doc_ids)
        for query_id, text in zip(queries.ids(), queries.texts(), strict=True):
            tokens = self.settings.analysis.tokens(text)
            scores = self._engine.scores(tokens)
            found = np.flatnonzero(scores > self._engine.floor(tokens) + _EPSILON)
            best = found[top_indices(scores[found], depth, self._documents.tie_rank[found])]
            builder.add(query_id, best, scores[best])
        return builder.run()

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the BM25 score of each pair, float64."""
        rows = defaultdict(list)
        for row, query_id in enumerate(pairs.query_ids):
            rows[query_id].append(row)
        documents = self._documents.positions(pairs.doc_ids)
        texts = queries.select(list(rows)).texts()
        result = np.empty(len(pairs))
        for text, chosen in zip(texts, rows.values(), strict=True):
            result[chosen] = self._engine.scores(self.settings.analysis.tokens(text))[documents[chosen]]
        return result

    def save(self, folder: Path) -> None:
        """Write the index."""
        folder.mkdir(parents=True, exist_ok=True)
        head = {"name": self.name, "settings": self.settings.model_dump(mode="json"), "doc_ids": self.doc_ids}
        (folder / "index.json").write_text(json.dumps(head), encoding="utf-8")
        self._engine.save(folder)

    @classmethod
    def open(cls, folder: Path) -> LexicalIndex:
        """Open a saved index; bm25s' scores are memory-mapped.

        Raises:
            SearchError: The folder holds none.
        """
        try:
            head = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SearchError(f"{folder}: holds no lexical index (index.json)") from None
        settings = parse_settings(LexicalSettings, head["settings"], f"{folder}/index.json: settings")
        return cls(head["name"], head["doc_ids"], settings, _open_engine(folder, settings.engine))

    def fingerprint(self) -> str:
        """Return a hash of the settings, the documents and the engine's scores."""
        return canonical_hash([self.settings.identity(), self.doc_ids, self._engine.fingerprint()])

    def summary(self) -> dict[str, Any]:
        """Return the number of documents and the engine."""
        return {"documents": len(self.doc_ids), "engine": self.settings.engine.type}


def _build_engine(documents: list[list[str]], settings: EngineSettings) -> LexicalEngine:
    if isinstance(settings, Bm25sSettings):
        return Bm25sEngine.build(documents, settings)
    return RankBm25Engine(documents, settings)


def _open_engine(folder: Path, settings: EngineSettings) -> LexicalEngine:
    if isinstance(settings, Bm25sSettings):
        return Bm25sEngine.open(folder)
    return RankBm25Engine.open(folder, settings)
