"""BM25 by Lucene itself, as pyserini's package carries it."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.data.files import link_tree
from pyrite.errors import SettingsError
from pyrite.search.lexical.analysis import Analysis
from pyrite.search.lexical.engines import PyseriniSettings
from pyrite.search.lexical.java import java_class
from pyrite.search.lexical.tokens import tokenise
from pyrite.search.results import Hits

__all__ = ["PyseriniEngine"]

_FIELD = "contents"
_LUCENE = "lucene"
_HEAD = "lucene.json"
# The longest word that Lucene's tokeniser can be told to keep whole.
_LONGEST = 1024 * 1024
_CLAUSES = 1 << 20


class PyseriniEngine:
    """A `LexicalEngine` over a Lucene index, whose document numbers are the rows.

    Args:
        folder: Holds the Lucene index.
        content: A hash of what was indexed; the bytes of a Lucene index differ each time.
        analysis: How texts become tokens where the settings name no language.
        settings: Constants and language.
    """

    def __init__(self, folder: Path, content: str, analysis: Analysis, settings: PyseriniSettings) -> None:
        self._folder = folder
        self._content = content
        self._analysis = analysis
        self._settings = settings

    @classmethod
    def build(
        cls, parts: Iterable[pa.Array], content: str, analysis: Analysis, settings: PyseriniSettings
    ) -> PyseriniEngine:
        """Index texts that come in parts, in the order of the rows.

        Raises:
            SettingsError: Lucene has no analyser of the language.
            MissingExtraError: There is no Java, or no pyserini.
        """
        engine = cls(Path(tempfile.mkdtemp(prefix="pyrite-lucene-")), content, analysis, settings)
        # Until it is saved, the index lives as long as the engine.
        weakref.finalize(engine, shutil.rmtree, engine._folder, ignore_errors=True)
        config = java_class("org.apache.lucene.index.IndexWriterConfig")(engine._analyzer)
        config.setSimilarity(engine._similarity)
        # Merges neighbours only, so that documents keep their order: a document's number is its row.
        config.setMergePolicy(java_class("org.apache.lucene.index.LogDocMergePolicy")())
        writer = java_class("org.apache.lucene.index.IndexWriter")(_directory(engine._folder), config)
        try:
            engine._write(writer, parts)
        finally:
            writer.close()
        (engine._folder / "write.lock").unlink(missing_ok=True)
        return engine

    @classmethod
    def open(cls, folder: Path, analysis: Analysis, settings: PyseriniSettings) -> PyseriniEngine:
        """Open a saved index; Lucene maps it into memory when it is first searched."""
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
        return cls(folder / _LUCENE, head["content"], analysis, settings)

    def search(self, queries: list[str], depth: int) -> Hits:
        """Return the best documents of each query; Lucene gives scores in single precision.

        Raises:
            MissingExtraError: There is no Java, or no pyserini.
        """
        counts, rows, scores = [], [], []
        for query in self._queries(queries):
            hits = self._searcher.search(query, depth).scoreDocs
            counts.append(len(hits))
            rows += [hit.doc for hit in hits]
            scores += [hit.score for hit in hits]
        return Hits(np.array(counts, np.int64), np.array(rows, np.int64), np.array(scores, np.float64))

    def score(self, queries: list[str], rows: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """Return the score of each pair, float64."""
        asked = self._queries(queries)
        pairs = zip(rows.tolist(), documents.tolist(), strict=True)
        values = [self._searcher.explain(asked[row], document).getValue().doubleValue() for row, document in pairs]
        return np.array(values, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Give the Lucene index a second name."""
        (folder / _LUCENE).mkdir(parents=True, exist_ok=True)
        link_tree(self._folder, folder / _LUCENE)
        (folder / _HEAD).write_text(json.dumps({"content": self._content}), encoding="utf-8")

    def fingerprint(self) -> str:
        """Return the hash of what was indexed."""
        return self._content

    @cached_property
    def _analyzer(self) -> Any:
        if self._settings.language is None:
            return java_class("org.apache.lucene.analysis.core.WhitespaceAnalyzer")(_LONGEST)
        if self._settings.language == "en":
            return java_class("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()
        known = java_class("io.anserini.analysis.AnalyzerMap")
        if not known.analyzerMap.containsKey(self._settings.language):
            languages = sorted(["en", *(str(code) for code in known.analyzerMap.keySet().toArray())])
            raise SettingsError(f"engine.language: {self._settings.language!r}; Lucene has {', '.join(languages)}")
        return known.getLanguageSpecificAnalyzer(self._settings.language)

    @property
    def _similarity(self) -> Any:
        similarity = java_class("org.apache.lucene.search.similarities.BM25Similarity")
        return similarity(self._settings.k1, self._settings.b)

    @cached_property
    def _searcher(self) -> Any:
        reader = java_class("org.apache.lucene.index.DirectoryReader").open(_directory(self._folder))
        searchers = java_class("org.apache.lucene.search.IndexSearcher")
        searchers.setMaxClauseCount(_CLAUSES)
        searcher = searchers(reader.getContext())
        searcher.setSimilarity(self._similarity)
        return searcher

    def _write(self, writer: Any, parts: Iterable[pa.Array]) -> None:
        documents = java_class("org.apache.lucene.document.Document")
        fields = java_class("org.apache.lucene.document.TextField")
        stored = java_class("org.apache.lucene.document.Field$Store").NO
        for part in parts:
            for text in self._prepared(part.to_pylist()):
                document = documents()
                document.add(fields(_FIELD, text, stored))
                writer.addDocument(document)
        writer.forceMerge(1)

    def _queries(self, texts: list[str]) -> list[Any]:
        generator = java_class("io.anserini.search.query.BagOfWordsQueryGenerator")()
        return [generator.buildQuery(_FIELD, self._analyzer, text) for text in self._prepared(texts)]

    def _prepared(self, texts: list[str]) -> Sequence[str]:
        if self._settings.language is not None:
            return texts
        return [" ".join(tokens) for tokens in tokenise(self._analysis, texts).lists()]


def _directory(folder: Path) -> Any:
    path = java_class("java.nio.file.Paths").get(str(folder))
    return java_class("org.apache.lucene.store.MMapDirectory")(path)
