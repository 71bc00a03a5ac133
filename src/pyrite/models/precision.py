"""The arithmetic of a transformer."""

from __future__ import annotations

from typing import Literal

__all__ = ["Precision"]

Precision = Literal["fp32", "bf16", "fp16"]
"""The floating-point type that a transformer computes in; vectors come out as float32."""
