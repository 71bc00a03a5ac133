"""The arithmetic of a transformer."""

from __future__ import annotations

from typing import Any, Literal

from pyrite.settings import Settings

__all__ = ["Arithmetic", "Backend", "Precision", "torch_dtype"]

Precision = Literal["fp32", "bf16", "fp16"]
"""The floating-point type that a transformer computes in; vectors come out as float32."""

Backend = Literal["torch", "onnx", "openvino"]
"""What runs a transformer: torch, ONNX Runtime (extra `onnx`) or OpenVINO (extra `openvino`)."""


class Arithmetic(Settings):
    """How the vectors of a transformer are computed. Two ways differ by rounding, so that both names are identity."""

    precision: Precision = "fp32"
    """What a transformer computes in: `fp32`, `bf16` or `fp16`."""
    backend: Backend = "torch"
    """What runs it: `torch`; or, on a CPU, `onnx` (in fp32) or `openvino` (in fp32 or bf16, which is fastest)."""


def torch_dtype(precision: Precision) -> Any:
    """Return the type as torch names it."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
