"""Memory of large batches on a CPU: 4,096 pairs on a static encoder, 1,024 on MiniLM, against what a batch of 32 takes.

Counted is the anonymous memory that training adds to what the training set and imported modules hold. The peer is
sentence-transformers' trainer: on MiniLM with its cached loss and mini-batches of 32 texts, ours with the tokens that
32 texts of full length have; on the static encoder with the plain loss, since it has no cached one for it.

`python -m benchmarks.train memory`, or `... --small` for a look.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.harness import Call, Measurement, Result, at_most, measure, write_results

__all__ = ["main"]

MODULE = "benchmarks.train.material"
LENGTH = 32
STATIC: dict[str, Any] = {"kind": "static", "negatives": 4}
MINILM: dict[str, Any] = {"kind": "transformer", "negatives": 1, "max_length": LENGTH}
CACHED: dict[str, Any] = {"tokens": 32 * LENGTH, "mini_batch": 32}


def main() -> None:
    """Measure all, and compare."""
    small = "--small" in sys.argv
    static, minilm = (512, 128) if small else (4096, 1024)
    results = _compare("static", STATIC, {}, static, room=2.0)
    results += _compare("MiniLM", MINILM, CACHED, minilm, room=1.0)
    write_results("train-memory-small" if small else "train-memory", results)


def _compare(name: str, case: dict[str, Any], cached: dict[str, Any], batch: int, room: float) -> list[Result]:
    """Return what a batch of 32 takes, and a large one.

    A static encoder trains on the same pairs both times: its texts are tokenised once, and that takes memory too.
    """
    little = _measure("ours", case | {"batch": 32, "steps": 2 if cached else batch // 32})
    large = {side: _measure(side, case | cached | {"batch": batch, "steps": 1}) for side in ("ours", "peer")}
    own, other = (large[side].added_anonymous_mb for side in ("ours", "peer"))
    return [
        Result(f"{name}, batch 32", little.added_anonymous_mb, "MB"),
        at_most(f"{name}, batch {batch}", own, "MB", target=room * little.added_anonymous_mb, peer=other),
        Result(f"{name}, batch {batch}: seconds of the call", large["ours"].seconds, "s", peer=large["peer"].seconds),
    ]


def _measure(side: str, case: dict[str, Any]) -> Measurement:
    return measure(Call(f"{MODULE}:{side}", case, prepare=f"{MODULE}:build"))


if __name__ == "__main__":
    main()
