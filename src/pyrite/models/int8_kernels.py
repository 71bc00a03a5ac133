"""Loops around products of 8-bit integers, compiled: rows rounded before, products scaled back after.

Values are bfloat16, whose bits stand in arrays of uint16.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.polynomial import chebyshev

from pyrite.compiled import inlined, reordered

__all__ = ["quantise_rows", "scale_products", "scale_products_gelu"]

# Adding this leaves the nearest integer in the lowest bits, ties to even.
_ROUNDER = np.float32(1.5 * 2**23)
_STEPS = np.float32(127)
# The error function is 1 from here on, up to 3e-6.
_REACH = 3.3
_DEGREE = 10


def _error_function() -> tuple[np.float32, ...]:
    """Return c such that erf(z) = z (c0 + c1 u + c2 u^2 ...), u = 2 (z / _REACH)^2 - 1, up to 5e-6 within the reach."""

    def ratio(points: np.ndarray) -> np.ndarray:
        roots = _REACH * np.sqrt((points + 1) / 2)
        return np.array([math.erf(root) / root for root in roots.tolist()])

    # Chebyshev's nodes leave out the ends, where the root would be 0.
    series = chebyshev.Chebyshev.interpolate(ratio, _DEGREE)
    return tuple(np.float32(value) for value in chebyshev.cheb2poly(series.coef))


_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10 = _error_function()
_LIMIT = np.float32(_REACH)
_PER_SQUARE = np.float32(2 / _REACH**2)
_SQRT_HALF = np.float32(math.sqrt(0.5))
_HALF = np.float32(0.5)
_ONE = np.float32(1)
_ZERO = np.float32(0)


@reordered
def quantise_rows(values: np.ndarray, steps: np.ndarray, scales: np.ndarray) -> None:
    """Round each row to whole multiples of a 127th of its largest magnitude.

    Args:
        values: uint16, shape (n, width).
        steps: Filled with the multiples: int8, shape (n, width).
        scales: Filled with what one of them is worth: float32, shape (n,); not finite where the row is not.
    """
    rounded = np.empty(values.shape[1], np.float32)
    bits = rounded.view(np.uint32)
    for row in range(len(values)):
        given, kept = values[row], steps[row]
        top = np.uint16(0)
        for place in range(len(given)):
            top = max(top, np.uint16(given[place] & np.uint16(0x7FFF)))
        bits[0] = np.uint32(top) << np.uint32(16)
        largest = rounded[0]
        scales[row] = largest / _STEPS
        inverse = _STEPS / largest if largest > _ZERO else _ZERO
        for place in range(len(given)):
            bits[place] = np.uint32(given[place]) << np.uint32(16)
        for place in range(len(given)):
            rounded[place] = rounded[place] * inverse + _ROUNDER
        for place in range(len(given)):
            kept[place] = np.int8(bits[place] & np.uint32(0xFF))


@reordered
def scale_products(
    products: np.ndarray, rows: np.ndarray, columns: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:
    """Fill `out` with `products * rows * columns + bias`.

    Args:
        products: int32, shape (n, width).
        rows: The scale of each row, float32, shape (n,).
        columns: The scale of each column, float32, shape (width,).
        bias: float32, shape (width,).
        out: uint16, shape (n, width).
    """
    values = np.empty(products.shape[1], np.float32)
    for row in range(len(products)):
        given = products[row]
        for place in range(len(given)):
            values[place] = np.float32(given[place]) * (columns[place] * rows[row]) + bias[place]
        _halve(values.view(np.uint32), out[row])


@reordered
def scale_products_gelu(
    products: np.ndarray, rows: np.ndarray, columns: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:
    """Do as `scale_products`, and apply the exact GELU, x (1 + erf(x / sqrt 2)) / 2, off by 1e-5 at most."""
    values = np.empty(products.shape[1], np.float32)
    for row in range(len(products)):
        given = products[row]
        for place in range(len(given)):
            x = np.float32(given[place]) * (columns[place] * rows[row]) + bias[place]
            z = min(max(x * _SQRT_HALF, -_LIMIT), _LIMIT)
            u = z * z * _PER_SQUARE - _ONE
            high = ((((_C10 * u + _C9) * u + _C8) * u + _C7) * u + _C6) * u + _C5
            erf = z * (((((high * u + _C4) * u + _C3) * u + _C2) * u + _C1) * u + _C0)
            values[place] = _HALF * x * (_ONE + erf)
        _halve(values.view(np.uint32), out[row])


@inlined
def _halve(bits: np.ndarray, out: np.ndarray) -> None:
    """Round float32 to bfloat16, ties to even."""
    for place in range(len(bits)):
        value = bits[place]
        odd = (value >> np.uint32(16)) & np.uint32(1)
        out[place] = np.uint16((value + np.uint32(0x7FFF) + odd) >> np.uint32(16))
