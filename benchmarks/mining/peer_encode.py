"""Encode with sentence-transformers in an environment of its own, and say how long it took; imports nothing of Pyrite.

    PEER_PYTHON peer_encode.py BACKEND MODEL TEXTS.json VECTORS.npy

BACKEND is torch-fp32, torch-bf16, onnx or openvino. The seconds go to standard output, the vectors to the file.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load", "timed"]


def load(backend: str, model: str) -> Any:
    """Return the model with one of the library's backends, on the CPU."""
    import torch
    from sentence_transformers import SentenceTransformer

    if backend == "torch-bf16":
        return SentenceTransformer(model, device="cpu", model_kwargs={"torch_dtype": torch.bfloat16})
    return SentenceTransformer(model, device="cpu", backend=backend.partition("-")[0])


def timed(model: Any, texts: list[str]) -> tuple[float, np.ndarray]:
    """Return the seconds that the library takes for all texts, a first batch apart, and the vectors."""
    model.encode(texts[:32])
    start = time.perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return time.perf_counter() - start, vectors


if __name__ == "__main__":
    backend, folder, texts, vectors = sys.argv[1:]
    seconds, rows = timed(load(backend, folder), json.loads(Path(texts).read_text(encoding="utf-8")))
    np.save(vectors, rows.astype(np.float32))
    print(seconds)
