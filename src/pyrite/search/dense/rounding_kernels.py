"""Loops that round blocks of documents and measure what that takes off them, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import Part, reordered

__all__ = ["Prepared", "copy_rows", "halve_rows", "quantise_rows"]

_LEAST_SCALE = 2.0**-100


class Prepared(NamedTuple):
    """A block of documents as the first pass multiplies them.

    Attributes:
        rows: int8, bfloat16 as uint16, or float32: shape (n, dimension).
        scales: What a row is multiplied by to be the document again, as far as rounding left it: float32, shape (n,).
        norms: Length of what was rounded (the document less the centre), float64, shape (n,).
        residuals: Length of what rounding took off, float64, shape (n,).
        offsets: Inner product of the centre and the document less the centre, float32, shape (n,).
    """

    rows: np.ndarray
    scales: np.ndarray
    norms: np.ndarray
    residuals: np.ndarray
    offsets: np.ndarray


@reordered
def halve_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Take the centre off documents and round them to bfloat16, to nearest, ties to even.

    Args:
        documents: float32, shape (any, dimension).
        centre: float64, shape (dimension,).
        prepared: Where to; `rows` as uint16.
        at: The row in `prepared` of the first document.
        part: The first document, and the one after the last.
    """
    rounded = np.empty(len(centre), np.float32)
    bits = rounded.view(np.uint32)
    for i in range(part[0], part[1]):
        row, target = documents[i], prepared.rows[at + i]
        for j in range(len(centre)):
            rounded[j] = np.float32(np.float64(row[j]) - centre[j])
        for j in range(len(centre)):
            nearest = bits[j] + np.uint32(0x7FFF) + ((bits[j] >> np.uint32(16)) & np.uint32(1))
            target[j] = np.uint16(nearest >> np.uint32(16))
            bits[j] = nearest & np.uint32(0xFFFF0000)
        _measure(row, centre, rounded, prepared, at + i)


@reordered
def quantise_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Take the centre off documents and round them to 127 steps on each side of 0; arguments as in `halve_rows`."""
    rounded = np.empty(len(centre), np.float32)
    for i in range(part[0], part[1]):
        row, target = documents[i], prepared.rows[at + i]
        largest = np.float32(0)
        for j in range(len(centre)):
            rounded[j] = np.float32(np.float64(row[j]) - centre[j])
            largest = max(largest, abs(rounded[j]))
        scale = np.float32(largest / np.float32(127))
        # A step too small for float32 makes every component 0, and what was lost is measured like any other loss.
        steps = np.float32(1 / scale) if scale > _LEAST_SCALE else np.float32(0)
        prepared.scales[at + i] = scale
        for j in range(len(centre)):
            whole = np.rint(rounded[j] * steps)
            target[j] = np.int8(whole)
            rounded[j] = whole * scale
        _measure(row, centre, rounded, prepared, at + i)


@reordered
def copy_rows(documents: np.ndarray, centre: np.ndarray, prepared: Prepared, at: int, part: Part) -> None:
    """Copy documents as they are, whatever the centre, and measure their lengths; arguments as in `halve_rows`."""
    for i in range(part[0], part[1]):
        norm = 0.0
        for j in range(len(centre)):
            prepared.rows[at + i, j] = documents[i, j]
            norm += np.float64(documents[i, j]) * np.float64(documents[i, j])
        prepared.norms[at + i] = np.sqrt(norm)


@reordered
def _measure(row: np.ndarray, centre: np.ndarray, rounded: np.ndarray, prepared: Prepared, at: int) -> None:
    """Write down the lengths and the offset of a document; `rounded` is what is left of it, float32."""
    norm = residual = offset = 0.0
    for j in range(len(centre)):
        exact = np.float64(row[j]) - centre[j]
        norm += exact * exact
        residual += (exact - rounded[j]) * (exact - rounded[j])
        offset += exact * centre[j]
    prepared.norms[at] = np.sqrt(norm)
    prepared.residuals[at] = np.sqrt(residual)
    prepared.offsets[at] = offset
