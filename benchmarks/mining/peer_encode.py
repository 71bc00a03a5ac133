"""Encode with sentence-transformers in an environment of its own, and say how long it took; imports nothing of Pyrite.

    PEER_PYTHON peer_encode.py export MODEL TEXTS.json
    PEER_PYTHON peer_encode.py BACKEND MODEL TEXTS.json VECTORS.npy

The first writes every graph beside the weights, as the library's documentation has it; the statically rounded one is
calibrated on the texts. BACKEND is torch-fp32, torch-bf16, onnx, onnx-O3, onnx-int8, openvino or openvino-int8. The
seconds go to standard output, the vectors to the file.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["load", "timed"]

_FILES = {
    "onnx": "onnx/model.onnx",
    "onnx-O3": "onnx/model_O3.onnx",
    "onnx-int8": "onnx/model_qint8_avx512_vnni.onnx",
    "openvino": "openvino/openvino_model.xml",
    "openvino-int8": "openvino/openvino_model_qint8_quantized.xml",
}


def load(backend: str, model: str) -> Any:
    """Return the model with one of the library's backends, on the CPU."""
    import torch
    from sentence_transformers import SentenceTransformer

    if backend == "torch-bf16":
        return SentenceTransformer(model, device="cpu", model_kwargs={"torch_dtype": torch.bfloat16})
    if backend == "torch-fp32":
        return SentenceTransformer(model, device="cpu")
    file = {"file_name": _FILES[backend]}
    return SentenceTransformer(model, device="cpu", backend=backend.partition("-")[0], model_kwargs=file)


def export(model: str, texts: list[str]) -> None:
    """Write the graphs of all backends into the model's folder."""
    from optimum.intel import OVQuantizationConfig
    from sentence_transformers import SentenceTransformer, backend

    for name in ("onnx", "openvino"):
        SentenceTransformer(model, device="cpu", backend=name, model_kwargs={"export": True}).save_pretrained(model)
    graph = load("onnx", model)
    backend.export_optimized_onnx_model(graph, "O3", model)
    backend.export_dynamic_quantized_onnx_model(graph, "avx512_vnni", model)
    folder = Path(model) / "calibration"
    folder.mkdir()
    with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    backend.export_static_quantized_openvino_model(
        load("openvino", model),
        OVQuantizationConfig(num_samples=len(texts)),
        model,
        dataset_name=str(folder),
        dataset_config_name="default",
        dataset_split="train",
        column_name="text",
    )


def timed(model: Any, texts: list[str]) -> tuple[float, np.ndarray]:
    """Return the seconds that the library takes for all texts, a first batch apart, and the vectors."""
    model.encode(texts[:32])
    start = time.perf_counter()
    vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
    return time.perf_counter() - start, vectors


if __name__ == "__main__":
    how, folder, given, *vectors = sys.argv[1:]
    read = json.loads(Path(given).read_text(encoding="utf-8"))
    if how == "export":
        export(folder, read)
    else:
        seconds, rows = timed(load(how, folder), read)
        np.save(vectors[0], rows.astype(np.float32))
        print(seconds)
