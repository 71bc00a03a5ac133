"""Where a call keeps vectors, candidates and scores: the user's cache, or a folder that goes with the call."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.compat.arguments import Arguments
from pyrite.compat.encoding import TextEncoder, encode_texts, is_encoded, process_pool
from pyrite.compat.identity import bytes_key, key_of, model_key
from pyrite.compat.pairs import Pairs
from pyrite.compat.rescoring import candidate_scores, positive_pair_scores
from pyrite.compat.retrieval import CANDIDATE, Similarity, open_matrix, positive_scores, search, write_matrix
from pyrite.errors import SearchError
from pyrite.search.dense.embeddings import Embeddings

__all__ = ["Progress", "Scored", "MiningCache", "mining_cache"]

Progress = Callable[[str, int], Callable[[int], None]]
"""Given what is done and out of how many, returns what is called with the number of things done."""

_SCORE = np.dtype("<f4")
_DEPTH = re.compile(r"_(\d+)\.npy$")


@dataclass(frozen=True, slots=True)
class Scored:
    """Candidates and positives, scored by one scorer.

    Attributes:
        found: The candidates, of type `CANDIDATE`, shape (queries, at least the depth), on disk.
        rescored: A cross-encoder's scores of them, float32, likewise; None where the search's own count.
        positive_scores: The score of each pair of query and positive: float32, shape (pairs,).
    """

    found: np.ndarray
    rescored: np.ndarray | None
    positive_scores: np.ndarray


@contextmanager
def mining_cache(folder: str | Path | None, progress: Progress) -> Iterator[MiningCache]:
    """Yield the cache folder, made where missing, or a folder that ends with the block.

    Raises:
        SearchError: The folder cannot be made.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="pyrite-") as temporary:
            yield MiningCache(Path(temporary), False, progress)
        return
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SearchError(f"cache_folder: {place} cannot be made ({error}); give a folder that can be") from error
    yield MiningCache(place, True, progress)


@dataclass(frozen=True, slots=True)
class MiningCache:
    """A folder.

    Attributes:
        folder: Exists.
        keyed: Whether it outlives the call, so that names must tell what the content depends on.
        progress: Told of the work.
    """

    folder: Path
    keyed: bool
    progress: Progress

    def score(
        self, pairs: Pairs, model: Any, cross_encoder: Any, arguments: Arguments, weights: Callable[[], str]
    ) -> Scored:
        """Encode, search and score, or find all of that done.

        Args:
            pairs: The texts.
            model: Encodes.
            cross_encoder: Rescores where arguments filter by score; None for no such model.
            arguments: Depth, prompts, batch sizes.
            weights: Gives the key of the model; asked where the folder outlives the call.
        """
        similarity = Similarity.of(model, arguments.use_faiss)
        names = self._names(pairs, similarity, _encoders(model, arguments), weights)
        queries, documents = self._encode(pairs, model, names, arguments)
        shape = (len(pairs.queries), min((arguments.range_max or 0) + pairs.most, len(pairs.documents)))
        found = self._stored(names["candidates"], shape, CANDIDATE)
        if found is None:
            advance = self.progress("Searching", len(pairs.queries))
            parts = search(queries, documents, shape[1], similarity, advance)
            found = write_matrix(self._file(names["candidates"], shape[1]), shape, CANDIDATE, parts)
        if cross_encoder is None or not arguments.filters_by_score:
            file = self._pairs_file("positives", pairs, names["candidates"], similarity.identity_of_pairs())
            if not file.exists():
                scores = positive_scores(pairs, queries, documents, similarity)
                write_matrix(file, scores.shape, _SCORE, iter([scores]))
            return Scored(found, None, _pair_scores(file, pairs))
        return self._rescore(pairs, found[:, : shape[1]], cross_encoder, names["candidates"], arguments)

    def _names(
        self, pairs: Pairs, similarity: Similarity, encoders: Sequence[TextEncoder], weights: Callable[[], str]
    ) -> dict[str, str]:
        if not self.keyed:
            return {name: name for name in ("query_embeddings", "corpus_embeddings", "candidates")}
        sides = zip(encoders, pairs.keys, strict=True)
        query, corpus = (key_of(weights(), encoder.identity(), texts) for encoder, texts in sides)
        return {
            "query_embeddings": f"query_embeddings_{query}",
            "corpus_embeddings": f"corpus_embeddings_{corpus}",
            "candidates": f"candidates_{key_of(query, corpus, similarity.identity())}",
        }

    def _encode(
        self, pairs: Pairs, model: Any, names: dict[str, str], arguments: Arguments
    ) -> tuple[Embeddings, Embeddings]:
        folders = [self.folder / names[name] for name in ("query_embeddings", "corpus_embeddings")]
        work = list(zip(_encoders(model, arguments), (pairs.queries, pairs.documents), folders, strict=True))
        done = all(is_encoded(texts, folder) for _, texts, folder in work)
        encoded = []
        with process_pool(model, False if done else arguments.use_multi_process) as pool:
            for encoder, texts, folder in work:
                advance = self.progress(_doing(encoder.role), 0 if done else len(texts))
                encoded.append(encode_texts(encoder, texts, folder, pool, advance))
        queries, documents = encoded
        return queries, documents

    def _rescore(self, pairs: Pairs, found: np.ndarray, scorer: Any, candidates: str, arguments: Arguments) -> Scored:
        name, weights = "cross_scores", None
        if self.keyed:
            weights = scorer.identity() if hasattr(scorer, "identity") else model_key(scorer)
            name = f"{name}_{key_of(weights, candidates)}"
        file, size = self._pairs_file("cross_positives", pairs, weights, candidates), arguments.batch_size
        rescored = self._stored(name, found.shape, _SCORE)
        done = rescored is not None and file.exists()
        with process_pool(scorer, False if done else arguments.use_multi_process) as pool:
            if rescored is None:
                advance = self.progress("Rescoring", len(found))
                parts = candidate_scores(scorer, pairs, found, size, pool, advance)
                rescored = write_matrix(self._file(name, found.shape[1]), found.shape, _SCORE, parts)
            if not file.exists():
                scores = positive_pair_scores(scorer, pairs, size, pool)
                write_matrix(file, scores.shape, _SCORE, iter([scores]))
        return Scored(found, rescored, _pair_scores(file, pairs))

    def _pairs_file(self, name: str, pairs: Pairs, *depends_on: object) -> Path:
        """Return where the scores of the pairs of query and positive are kept."""
        if self.keyed:
            places = [bytes_key(array.tobytes()) for array in (pairs.starts, pairs.positives)]
            name = f"{name}_{key_of(*depends_on, places)}"
        return self.folder / f"{name}.npy"

    def _stored(self, name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray | None:
        """Open the matrix of that name that is deep enough, the shallowest of them; None where there is none."""
        depths = [int(match[1]) for file in self.folder.glob(f"{name}_*.npy") if (match := _DEPTH.search(file.name))]
        deep = [depth for depth in depths if depth >= shape[1]]
        return open_matrix(self._file(name, min(deep)), shape, dtype) if deep else None

    def _file(self, name: str, depth: int) -> Path:
        return self.folder / f"{name}_{depth}.npy"


def _pair_scores(file: Path, pairs: Pairs) -> np.ndarray:
    return np.array(open_matrix(file, pairs.positives.shape, _SCORE))


def _encoders(model: Any, arguments: Arguments) -> tuple[TextEncoder, TextEncoder]:
    """Return the encoders of queries and of documents."""
    given, size = arguments, arguments.batch_size
    return (
        TextEncoder(model, "query", given.query_prompt, given.query_prompt_name, size),
        TextEncoder(model, "document", given.corpus_prompt, given.corpus_prompt_name, size),
    )


def _doing(role: str) -> str:
    return {"query": "Encoding queries", "document": "Encoding documents"}[role]
