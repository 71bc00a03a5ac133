"""Transformers run by ONNX Runtime or OpenVINO in the place of torch, exported once and kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.errors import ModelError
from pyrite.extras import require
from pyrite.models.precision import Arithmetic
from pyrite.models.transformer_loop import is_plain

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

__all__ = ["run_by_backend"]

_Compute = Callable[[Mapping[str, np.ndarray]], np.ndarray]
_HINTS = {"fp32": "f32", "bf16": "bf16"}


def run_by_backend(model: SentenceTransformer, arithmetic: Arithmetic) -> None:
    """Put an exported graph in the place of a model's transformer; pooling and what follows stay as they are.

    The graph is kept in a folder named by weights and versions, under `PYRITE_CACHE`, by default `~/.cache/pyrite`.

    Args:
        model: A model on the CPU, in fp32, that nobody else uses.
        arithmetic: The backend, `onnx` or `openvino`, and what it is to compute in.

    Raises:
        MissingExtraError: The backend is not installed.
        ModelError: The model is no text transformer on a CPU, or the backend cannot compute in that precision.
    """
    if model.device.type != "cpu":
        raise ModelError(f"backend {arithmetic.backend}: computes on a CPU alone; set the device to cpu")
    if not is_plain(model):
        raise ModelError(f"backend {arithmetic.backend}: wants a text transformer with a fast tokenizer")
    names = [name for name in model.tokenizer.model_input_names if name in {"input_ids", "attention_mask"}]
    if "token_type_ids" in model.tokenizer.model_input_names:
        names.append("token_type_ids")
    transformer: Any = model[0]
    open_graph = _open_onnx if arithmetic.backend == "onnx" else _open_openvino
    transformer.model = _exported(transformer.model.config, names, open_graph(transformer.model, names, arithmetic))


def _open_onnx(model: Any, names: Sequence[str], arithmetic: Arithmetic) -> _Compute:
    runtime = require("onnxruntime", "onnx")
    if arithmetic.precision != "fp32":
        raise ModelError("backend onnx: computes in fp32 on a CPU; for bf16 take backend openvino or torch")
    import torch

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    file = _kept(model, "onnx", ["onnxruntime", "onnxscript"], lambda path: _export_onnx(model, names, path))
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

    def compute(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        tokens: np.ndarray = session.run(None, dict(inputs))[0]
        return tokens

    return compute


def _open_openvino(model: Any, names: Sequence[str], arithmetic: Arithmetic) -> _Compute:
    openvino = require("openvino", "openvino")
    hint = _HINTS.get(arithmetic.precision)
    if hint is None:
        raise ModelError(f"backend openvino: computes in {' or '.join(_HINTS)}, not in {arithmetic.precision}")
    import torch

    file = _kept(model, "xml", ["openvino"], lambda path: _export_openvino(model, names, path))
    options = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(str(file), "CPU", options)
    taken = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    if taken != hint:
        raise ModelError(f"backend openvino: this processor computes in {taken}, not in {arithmetic.precision}")

    def compute(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        # The buffer belongs to the request, and the next one writes over it.
        tokens: np.ndarray = np.array(compiled(dict(inputs))[0])
        return tokens

    return compute


def _kept(model: Any, suffix: str, packages: Sequence[str], export: Callable[[Path], None]) -> Path:
    """Return the exported graph of these weights, made where it is not there; it appears whole by a rename."""
    root = Path(os.environ.get("PYRITE_CACHE") or Path.home() / ".cache" / "pyrite") / "exported"
    folder = root / _fingerprint(model, packages)
    if not folder.is_dir():
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".making-") as partial:
            made = Path(partial) / "graph"
            made.mkdir()
            with warnings.catch_warnings():
                # Exporters warn of shapes that a trace takes for constants; tests compare other shapes with torch.
                warnings.simplefilter("ignore")
                export(made / f"model.{suffix}")
            try:
                made.rename(folder)
            except OSError:  # another process was first
                if not folder.is_dir():
                    raise
    return folder / f"model.{suffix}"


def _fingerprint(model: Any, packages: Sequence[str]) -> str:
    """Return a hash of weights, configuration and the packages that make and read a graph."""
    digest = hashlib.sha256(model.config.to_json_string().encode())
    for package in ["torch", "transformers", *packages]:
        digest.update(f"\0{package} {version(package)}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"\0{name}:{tuple(tensor.shape)}\0".encode())
        digest.update(np.ascontiguousarray(tensor.numpy()).data)
    return digest.hexdigest()[:32]


def _export_onnx(model: Any, names: Sequence[str], path: Path) -> None:
    require("onnx", "onnx")
    require("onnxscript", "onnx")
    import torch

    # Both the number of texts and their width vary.
    varies = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    with torch.no_grad():
        program = torch.onnx.export(
            _tokens_only(model, names),
            tuple(_example(names).values()),
            input_names=list(names),
            dynamic_shapes={"inputs": tuple(varies for _ in names)},
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(str(path))


def _export_openvino(model: Any, names: Sequence[str], path: Path) -> None:
    import openvino
    import torch

    with torch.no_grad():
        graph = openvino.convert_model(_tokens_only(model, names), example_input=tuple(_example(names).values()))
    for place, name in zip(graph.inputs, names, strict=True):
        place.get_tensor().set_names({name})
    openvino.save_model(graph, str(path), compress_to_fp16=False)


def _example(names: Sequence[str]) -> dict[str, Any]:
    """Return a batch with padding: one without might be exported without a mask."""
    import torch

    ones = torch.ones((2, 7), dtype=torch.int64)
    mask = ones.clone()
    mask[1, 5:] = 0
    return {name: {"input_ids": ones, "attention_mask": mask}.get(name, torch.zeros_like(ones)) for name in names}


def _tokens_only(model: Any, names: Sequence[str]) -> nn.Module:
    """Return a module from the named inputs, in order, to the tokens' vectors."""
    from torch import Tensor, nn

    class TokensOnly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer = model

        def forward(self, *inputs: Tensor) -> Tensor:
            tokens: Tensor = self.transformer(**dict(zip(names, inputs, strict=True))).last_hidden_state
            return tokens

    return TokensOnly().eval()


def _exported(config: Any, names: Sequence[str], compute: _Compute) -> nn.Module:
    """Return what stands where the transformer stood."""
    import torch
    from torch import Tensor, nn

    class Exported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = config
            # The library asks the parameters for device and type.
            self.anchor = nn.Parameter(torch.zeros(1), requires_grad=False)

        def forward(self, **features: Any) -> dict[str, Tensor]:
            ids = features["input_ids"]
            # A batch without padding comes without a mask.
            missing: dict[str, Any] = {"attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
            inputs = {name: {**missing, **features}[name].numpy() for name in names}
            return {"last_hidden_state": torch.from_numpy(compute(inputs))}

    return Exported()
