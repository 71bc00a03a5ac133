"""Encode texts with a model into shards on disk: memory for one shard only, finished shards stay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.compat.files import writing
from pyrite.data import ScoreKind
from pyrite.errors import SearchError
from pyrite.models import SentenceEncoder
from pyrite.models.protocols import Role
from pyrite.models.settings import Prompts
from pyrite.search.dense.embeddings import Embeddings, shard_ranges

__all__ = ["TextEncoder", "encode_texts", "is_encoded", "process_pool"]

# Texts between two writes: what an interruption loses, and what is in memory at once.
_SHARD = 4096
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


@dataclass(frozen=True, slots=True)
class TextEncoder:
    """A model with the prompt of one side of the search.

    Attributes:
        model: A `SentenceTransformer`, or whatever has its `encode_query` and `encode_document`.
        role: The side.
        prompt: The prompt's text, or None for the one that `prompt_name` or the model chooses.
        prompt_name: The name of one of the model's prompts, or None.
        batch_size: Texts that the model takes at once.
    """

    model: Any
    role: Role
    prompt: str | None
    prompt_name: str | None
    batch_size: int

    def identity(self) -> list[str | None]:
        """Return side and prompt: what vectors depend on beside the model's weights."""
        return [self.role, self.resolved_prompt()]

    def resolved_prompt(self) -> str | None:
        """Return the text that the model writes in front; None where its prompts are not to be seen."""
        if self.prompt is not None:
            return self.prompt
        prompts = getattr(self.model, "prompts", None)
        if prompts is None:
            return None
        names = ("query",) if self.role == "query" else _DOCUMENT_PROMPTS
        own = next((name for name in names if name in prompts), getattr(self.model, "default_prompt_name", None))
        name = self.prompt_name if self.prompt_name is not None else own
        return None if name is None else prompts.get(name, f"unknown prompt {name}")

    def encode(self, texts: list[str], pool: Any) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        static = None if pool is not None else self._static()
        if static is not None:
            return static.encode(texts, self.role)
        encode = self.model.encode_query if self.role == "query" else self.model.encode_document
        vectors = encode(
            texts,
            pool=pool,
            batch_size=self.batch_size,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
            prompt_name=self.prompt_name,
            prompt=self.prompt,
        )
        return self._scaled(np.asarray(vectors, dtype=np.float32))

    def _scaled(self, vectors: np.ndarray) -> np.ndarray:
        """Return vectors of unit length also where the model computes in half precision and cosines are wanted."""
        if getattr(self.model, "similarity_fn_name", None) != "cosine":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
        return unit

    def _static(self) -> SentenceEncoder | None:
        """Return a faster way to the same vectors where the model is a static embedding, else None."""
        model = self.model
        if getattr(model, "truncate_dim", None) is not None or getattr(model, "device", None) is None:
            return None
        if type(model).__name__ != "SentenceTransformer" or model.device.type != "cpu":
            return None
        known = self.prompt is not None or self.prompt_name is None or self.prompt_name in model.prompts
        prompt = self.resolved_prompt() or ""
        encoder = SentenceEncoder(model, Prompts(query=prompt, document=prompt), self.batch_size, None)
        return encoder if known and encoder.is_static else None


def encode_texts(
    encoder: TextEncoder, texts: list[str], folder: Path, pool: Any, advance: Callable[[int], None]
) -> Embeddings:
    """Encode texts into a folder; shards that are there already are kept.

    Args:
        encoder: Gives the vectors.
        texts: At least one.
        folder: Belongs to these texts and this encoder alone; made where missing.
        pool: The model's processes, or None.
        advance: Called with the number of texts done.

    Raises:
        SearchError: The model gave something else than finite vectors, or the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = []
    for rows, path in _shards(len(texts), folder):
        if not path.exists():
            vectors = _checked(encoder.encode(texts[rows.start : rows.stop], pool), len(rows), encoder.role)
            with writing(path) as stream:
                np.save(stream, vectors)
        shards.append(path.name)
        advance(len(rows))
    # The search counts documents and needs no name of theirs: texts are the identities here.
    nameless = pa.chunked_array([pa.nulls(len(texts), pa.string())])
    return Embeddings(folder, nameless, shards, ScoreKind.COSINE, encoder.identity())


def is_encoded(texts: list[str], folder: Path) -> bool:
    """Say whether `encode_texts` would find every shard."""
    return all(path.exists() for _, path in _shards(len(texts), folder))


def _shards(count: int, folder: Path) -> Iterator[tuple[range, Path]]:
    for rows in shard_ranges(count, _SHARD):
        yield rows, folder / f"{rows.start:010d}-{rows.stop:010d}.npy"


def _checked(vectors: np.ndarray, count: int, role: Role) -> np.ndarray:
    if vectors.ndim != 2 or len(vectors) != count:
        raise SearchError(f"the model gave vectors of shape {vectors.shape} for {count} texts; wants a row for each")
    if not np.isfinite(vectors).all():
        where = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise SearchError(
            f"the model gave a vector with an infinite or undefined component (text {where + 1} of a block, as a "
            f"{role}); nothing can be ranked by it"
        )
    return vectors


@contextmanager
def process_pool(model: Any, devices: list[str] | bool) -> Iterator[Any]:
    """Yield the processes that a model encodes with, or None; they end however the block ends.

    Args:
        model: A `SentenceTransformer` or a `CrossEncoder`.
        devices: Devices, True for the model's own choice, or False for this process.
    """
    if not devices:
        yield None
        return
    pool = model.start_multi_process_pool(target_devices=None if isinstance(devices, bool) else devices)
    try:
        yield pool
    finally:
        model.stop_multi_process_pool(pool)
