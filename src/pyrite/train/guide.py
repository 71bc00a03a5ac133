"""A guide's vectors of a training set's texts, encoded once before training."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from pyrite.models.protocols import Encoder
from pyrite.settings import canonical_hash
from pyrite.train.examples import Examples

__all__ = ["with_guide"]


def with_guide(examples: Examples, guide: Encoder, folder: Path) -> Examples:
    """Return a training set with a guide's vectors of its texts.

    The vectors lie in a file of the folder, which a training that goes on after a kill reads instead of encoding again.

    Args:
        examples: The training set, resolved.
        guide: Any encoder; its own prompts stand before the texts, not those of the encoder in training.
        folder: Made where missing.
    """
    count = len(examples.query_texts)
    texts = canonical_hash([guide.identity(), examples.query_texts, examples.document_texts])
    file = folder / f"guide-{texts[:16]}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        vectors = [guide.encode(examples.query_texts, "query"), guide.encode(examples.document_texts, "document")]
        _write(file, np.concatenate(vectors).astype(np.float32))
    found = np.load(file, mmap_mode="r")
    return dataclasses.replace(examples, guide_queries=found[:count], guide_documents=found[count:])


def _write(file: Path, vectors: np.ndarray) -> None:
    """Write a file that is either whole or not there; several processes may do it at once."""
    partial = file.with_suffix(f".{os.getpid()}.partial")
    with partial.open("wb") as stream:
        np.save(stream, vectors)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(file)
