"""Many strings as one Arrow array: their bytes for compiled loops, look-ups, and a file that is mapped, not read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

__all__ = ["look_up", "map_strings", "save_strings", "string_parts"]


def string_parts(strings: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of strings, uint8, and where each begins and the last one ends, int64.

    Large strings are not copied; of others, the offsets are.
    """
    wide = strings.cast(pa.large_string())
    _, offsets, values = wide.buffers()
    bounds = np.frombuffer(offsets, np.int64)[wide.offset :][: len(wide) + 1] if len(wide) else np.zeros(1, np.int64)
    return np.frombuffer(values or b"", np.uint8), _fixed(bounds)


def look_up(strings: list[str], among: pa.Array, descending: bool = False) -> np.ndarray:
    """Return where each string stands in a sorted array, or -1: int64, shape (len(strings),).

    Args:
        strings: What to look for.
        among: Distinct strings, in the order of their code points.
        descending: Whether that order is turned round.

    Example:
        >>> look_up(["b", "x"], pa.array(["a", "b"], pa.large_string())).tolist()
        [1, -1]
    """
    from pyrite.search.lexical.sorted_strings import find_sorted

    wanted = string_parts(pa.array(strings, pa.large_string()))
    places: np.ndarray = find_sorted(*string_parts(among), *wanted, descending)
    return places


def save_strings(strings: pa.Array, path: Path) -> None:
    """Write strings to an Arrow file."""
    table = pa.table({"string": strings.cast(pa.large_string())})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max(len(strings), 1))


def map_strings(path: Path) -> pa.Array:
    """Return the strings of an Arrow file; they stay on disk until they are looked at."""
    column = pa.ipc.open_file(pa.memory_map(str(path))).read_all().column("string")
    return column.chunk(0) if column.num_chunks else pa.array([], pa.large_string())


def _fixed(array: np.ndarray) -> np.ndarray:
    """Return a read-only view: compiled loops are made once for those, whether they lie in memory or in a file."""
    view = array.view()
    view.flags.writeable = False
    return view
