"""Loops that round blocks of documents and measure what that takes off them, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyrite.compiled import Part, reordered

__all__ = ["Prepared", "copy_rows", "halve_rows", "offset_error", "quantise_rows"]

_LEAST_SCALE = 2.0**-100
_ROUNDOFF = 2.0**-24
_UNSIGNED = np.int32(0x7FFFFFFF)
# Sums of squares between these neither leave the range of float32 nor owe anything to numbers too small for it.
_LEAST_SQUARES = 2.0**-60
_LARGEST_SQUARES = 2.0**100


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
    """Take the centre off documents and round them to 127 steps on each side of 0; arguments as in `halve_rows`.

    The components of the centre are numbers that float32 holds. Lengths are measured in float32 and written down a
    little longer, so that they are not below the true ones; an offset can be off by `offset_error` times the length.
    """
    single = centre.astype(np.float32)
    left = np.empty(len(centre), np.float32)
    bits, highest = left.view(np.int32), np.empty(1, np.int32)
    largest = highest.view(np.float32)
    for i in range(part[0], part[1]):
        row, target = documents[i], prepared.rows[at + i]
        squares = offset = np.float32(0)
        for j in range(len(single)):
            left[j] = row[j] - single[j]
            squares += left[j] * left[j]
            offset += left[j] * single[j]
        # As integers, whose largest needs no care for undefined numbers and so is found many at a time.
        most = np.int32(0)
        for j in range(len(single)):
            most = max(most, bits[j] & _UNSIGNED)
        highest[0] = most
        scale = np.float32(largest[0] / np.float32(127))
        # A step too small for float32 makes every component 0, and what was lost is measured like any other loss.
        steps = np.float32(1 / scale) if scale > _LEAST_SCALE else np.float32(0)
        prepared.scales[at + i] = scale
        lost = np.float32(0)
        for j in range(len(single)):
            whole = np.rint(left[j] * steps)
            target[j] = np.int8(whole)
            left[j] -= whole * scale
            lost += left[j] * left[j]
        if _LEAST_SQUARES < squares < _LARGEST_SQUARES and abs(offset) < _LARGEST_SQUARES:
            share = (len(single) + 8) * _ROUNDOFF
            norm = np.sqrt(np.float64(squares)) * (1 + share)
            prepared.norms[at + i] = norm
            prepared.residuals[at + i] = np.sqrt(np.float64(lost)) * (1 + share) + 8 * _ROUNDOFF * norm
            prepared.offsets[at + i] = offset
        else:
            for j in range(len(single)):
                left[j] = np.float32(target[j]) * scale
            _measure(row, centre, left, prepared, at + i)


def offset_error(centre: np.ndarray) -> float:
    """Bound the error of the offsets by `quantise_rows`, for documents at distance 1 from the centre.

    Each of n products and sums in float32 loses at most the share u of it, as does each component less the centre.
    """
    return float((len(centre) + 8) * _ROUNDOFF * np.linalg.norm(centre))


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
