"""Quiet: progress is told by events, not by the bars of other libraries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["hidden_bars"]


@contextmanager
def hidden_bars() -> Iterator[None]:
    """Hide transformers' own progress bars, one for each file it reads or writes, and a warning that is no user's."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            # accelerate gives torch's DDP an option by its old name.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated", category=FutureWarning)
            yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
