"""All losses, told apart by `type`."""

from __future__ import annotations

from pyrite.train.losses.infonce import InfoNCE

__all__ = ["LossSettings"]

LossSettings = InfoNCE
"""A loss by its `type`: `infonce`."""
