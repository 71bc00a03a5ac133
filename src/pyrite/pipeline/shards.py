"""Work cut into shards: each is published by rename, so that a kill costs at most the one in work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pyrite.errors import StageError
from pyrite.pipeline.files import clear, publish

__all__ = ["map_shards", "shard_name", "shard_ranges"]

_PARTIAL = ".partial"


def shard_ranges(total: int, size: int) -> list[range]:
    """Cut `total` rows into consecutive ranges of at most `size` rows.

    Args:
        total: How many rows there are, from 0 up.
        size: How many rows a shard holds, from 1 up.

    Raises:
        ValueError: One of them is out of range.

    Example:
        >>> shard_ranges(5, 2)
        [range(0, 2), range(2, 4), range(4, 5)]
    """
    if total < 0 or size < 1:
        raise ValueError(f"cannot cut {total} rows into shards of {size}; wants total >= 0 and size >= 1")
    return [range(start, min(start + size, total)) for start in range(0, total, size)]


def shard_name(rows: range) -> str:
    """Return the name of a shard; it holds the range, so that two layouts never mix.

    Example:
        >>> shard_name(range(0, 4096))
        '000000000-000004096'
    """
    return f"{rows.start:09d}-{rows.stop:09d}"


def map_shards(
    folder: Path,
    ranges: Iterable[range],
    run_one: Callable[[range, Path], None],
    finished: Callable[[str], None],
    advance: Callable[[int], None] = lambda rows: None,
) -> list[Path]:
    """Make each shard that is not there yet.

    Args:
        folder: Where the shards lie; made where it does not exist.
        ranges: The rows of each shard, as `shard_ranges` gives them.
        run_one: Gets the rows and a path at which nothing exists, and writes a file or a folder
            at exactly that path.
        finished: Gets the name of each shard made, once it is in place.
        advance: Gets the number of rows of each shard, made or found, once it is in place.

    Returns:
        The path of each shard, in the order of the ranges.

    Raises:
        StageError: `run_one` returned without writing at its path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for rows in ranges:
        path = folder / shard_name(rows)
        if not path.exists():
            _make_shard(rows, path, run_one)
            finished(path.name)
        advance(len(rows))
        paths.append(path)
    return paths


def _make_shard(rows: range, path: Path, run_one: Callable[[range, Path], None]) -> None:
    partial = path.with_name(path.name + _PARTIAL)
    clear(partial)
    run_one(rows, partial)
    if not partial.exists():
        raise StageError(f"the shard of rows {rows.start} to {rows.stop} was not written at {partial}")
    publish(partial, path)
