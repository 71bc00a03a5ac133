"""The arithmetic of a transformer."""

from __future__ import annotations

from typing import Any, Literal

from pyrite.settings import Settings

__all__ = ["Arithmetic", "Backend", "EncoderPrecision", "Precision", "torch_dtype"]

Precision = Literal["fp32", "bf16", "fp16"]
"""The floating-point type that a transformer computes in; vectors come out as float32."""

EncoderPrecision = Literal["fp32", "bf16", "fp16", "int8"]
"""What an encoder's transformer computes in: `int8` multiplies in 8-bit integers and does all else in bfloat16."""

Backend = Literal["torch", "onnx", "openvino"]
"""What runs a transformer: torch, ONNX Runtime (extra `onnx`) or OpenVINO (extra `openvino`)."""


class Arithmetic(Settings):
    """How the vectors of a transformer are computed. Two ways differ by rounding, so that both names are identity."""

    precision: EncoderPrecision = "fp32"
    """What a transformer computes in: `fp32`, `bf16`, `fp16`, or on a CPU by torch `int8`, which is fastest and changes
    vectors most: 8-bit products, all else in bf16."""
    backend: Backend = "torch"
    """What runs it: `torch`; or, on a CPU, `onnx` (in fp32) or `openvino` (in fp32 or bf16)."""


def torch_dtype(precision: Precision) -> Any:
    """Return the type as torch names it."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
