"""What sets are measured with: the vectors of their texts by one encoder, and their words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyrite.data import Corpus, Queries
from pyrite.data.codes import positions
from pyrite.errors import DataError
from pyrite.metrics.groups import Vectors
from pyrite.metrics.overlap import Terms
from pyrite.models.protocols import Encoder
from pyrite.recipes.score.judges import JudgedPairs
from pyrite.recipes.score.sets import NamedSets
from pyrite.recipes.score.settings import ScoreSettings
from pyrite.search.dense.checked import checked_vectors
from pyrite.search.dense.embeddings import Embeddings
from pyrite.search.lexical.terms import terms_of
from pyrite.seeds import rng

__all__ = ["EncodedTexts", "Material", "Texts"]


@dataclass(frozen=True)
class Texts:
    """What ids stand for.

    Attributes:
        corpus: Every document of the sets, or more: words are counted in all of it.
        queries: Every query of the sets, or more.
    """

    corpus: Corpus
    queries: Queries

    def check(self, sets: NamedSets) -> None:
        """Check that all texts are there.

        Raises:
            DataError: One is lacking.
        """
        for what, ids, table in (("document", sets.doc_ids, self.corpus), ("query", sets.query_ids, self.queries)):
            missing = np.flatnonzero(positions(ids, table.column(table.key[0])) < 0)
            if len(missing):
                raise DataError(
                    f"the sets name {len(missing)} ids whose text is not at hand, such as the {what} "
                    f"{ids[int(missing[0])].as_py()!r}; give a corpus and queries that hold them"
                )


@dataclass(frozen=True)
class EncodedTexts:
    """Embeddings of documents, and the encoder that made them, for the queries.

    Attributes:
        embeddings: Of all documents of the sets, or more.
        encoder: The encoder.
    """

    embeddings: Embeddings
    encoder: Encoder

    def vectors(self, sets: NamedSets, texts: Texts) -> Vectors:
        """Return the vectors of the queries and documents of sets, in the order of their rows.

        Raises:
            DataError: The embeddings lack a document.
            SearchError: The encoder gave something else than vectors.
        """
        rows = positions(sets.doc_ids, self.embeddings.ids)
        if (rows < 0).any():
            first = sets.doc_ids[int((rows < 0).argmax())].as_py()
            raise DataError(
                f"the embeddings lack {int((rows < 0).sum())} documents of the sets, such as {first!r}; embed the "
                "corpus that the sets were mined from"
            )
        ids = sets.query_ids.to_pylist()
        asked = checked_vectors(self.encoder, texts.queries.select(ids).texts(), "query", ids)
        return Vectors(asked, self.embeddings.rows(rows))

    def random_scores(self, vectors: Vectors, count: int, seed: int) -> np.ndarray:
        """Return the mean cosine of each query with the same randomly drawn documents: shape (queries,)."""
        rows = rng(seed, "score", "random documents").permutation(len(self.embeddings))[:count]
        documents = self.embeddings.rows(np.sort(rows)).astype(np.float64)
        lengths = np.linalg.norm(documents, axis=1, keepdims=True)
        centre = np.divide(documents, lengths, out=np.zeros_like(documents), where=lengths > 0).mean(axis=0)
        scores: np.ndarray = (vectors.queries @ centre) * vectors.query_scales
        return scores


@dataclass(frozen=True)
class Material:
    """What sets are measured with.

    Attributes:
        sets: The sets.
        vectors: Of their texts, by the encoder that scores.
        terms: The words of their texts, or None where words do not count.
        judge: The judge's scores, or None.
        random: The mean cosine of random documents to each query; None where no scale wants it.
    """

    sets: NamedSets
    vectors: Vectors
    terms: Terms | None = None
    judge: JudgedPairs | None = None
    random: np.ndarray | None = None

    @classmethod
    def gather(
        cls, sets: NamedSets, texts: Texts, encoded: EncodedTexts, judge: JudgedPairs | None, settings: ScoreSettings
    ) -> Material:
        """Collect what the settings want.

        Raises:
            DataError: A text or a vector is lacking.
            SearchError: The encoder gave something else than vectors.
        """
        texts.check(sets)
        vectors = encoded.vectors(sets, texts)
        wanted = settings.eci_v1.scale == "random-to-positive"
        random = encoded.random_scores(vectors, settings.random_documents, settings.seed) if wanted else None
        return cls(sets, vectors, _terms(sets, texts, settings) if settings.lexical else None, judge, random)


def _terms(sets: NamedSets, texts: Texts, settings: ScoreSettings) -> Terms:
    """Return the words of the sets' texts, weighed by the whole corpus."""
    every = terms_of(texts.queries.select(sets.query_ids.to_pylist()), texts.corpus, settings.analysis)
    return every.of_documents(positions(sets.doc_ids, texts.corpus.column("doc_id")))
