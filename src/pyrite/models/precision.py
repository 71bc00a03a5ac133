"""The arithmetic of a transformer."""

from __future__ import annotations

from typing import Any, Literal

__all__ = ["Precision", "torch_dtype"]

Precision = Literal["fp32", "bf16", "fp16"]
"""The floating-point type that a transformer computes in; vectors come out as float32."""


def torch_dtype(precision: Precision) -> Any:
    """Return the type as torch names it."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
