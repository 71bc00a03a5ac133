"""Steps a second beside sentence-transformers' trainer: the same model, pairs, batch, loss and optimiser, on a CPU.

The loss is InfoNCE over in-batch and four mined negatives (`MultipleNegativesRankingLoss`, scale 20) on MedQuAD. Steps
a second are counted over the last four fifths of the steps, without what comes before and after. Ours has tokenised a
static encoder's texts by then, so that the time of the whole call, models loaded and saved, is compared as well.
Trackers are off on both sides.

`python -m benchmarks.train steps`, or `... --small` for a look.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.harness import Call, Measurement, Result, at_least, interleave, write_results

__all__ = ["main"]

MODULE = "benchmarks.train.material"
CASES: dict[str, dict[str, Any]] = {
    "static, batch 64": {"kind": "static", "batch": 64, "steps": 150, "negatives": 4},
    "static, batch 256": {"kind": "static", "batch": 256, "steps": 50, "negatives": 4},
    "static, batch 4096": {"kind": "static", "batch": 4096, "steps": 3, "negatives": 4},
    "MiniLM, batch 16": {"kind": "transformer", "batch": 16, "steps": 10, "negatives": 4, "max_length": 64},
}
TARGETS = {"static, batch 64": 5.0, "static, batch 256": 5.0, "MiniLM, batch 16": 0.95}
REPEATS = 3


def main() -> None:
    """Measure all cases, and compare."""
    small = "--small" in sys.argv
    results = []
    for name, case in CASES.items():
        if small:
            case = case | {"steps": max(2, case["steps"] // 10)}
        calls = {side: Call(f"{MODULE}:{side}", case, prepare=f"{MODULE}:build") for side in ("ours", "peer")}
        measured = interleave(calls, 1 if small else REPEATS)
        results += _compare(name, measured["ours"], measured["peer"])
    write_results("train-steps-small" if small else "train-steps", results)


def _compare(name: str, own: Sequence[Measurement], others: Sequence[Measurement]) -> list[Result]:
    """Return the rates and their ratios; pairs of neighbouring runs are compared, and the median is told."""
    results = [Result(f"{name}: steps a second", _median(own, "steps"), "1/s", peer=_median(others, "steps"))]
    ratio = statistics.median(a.value["steps"] / b.value["steps"] for a, b in zip(own, others, strict=True))
    title = f"{name}: steps a second, of the peer's"
    target = TARGETS.get(name)
    results.append(Result(title, ratio, "x") if target is None else at_least(title, ratio, "x", target=target))
    for key, unit in (("processor", "steps a processor second"), ("whole", "speed of the whole call")):
        a, b = _median(own, key), _median(others, key)
        results.append(Result(f"{name}: {unit}, of the peer's", a / b if key == "processor" else b / a, "x"))
    return results


def _median(runs: Sequence[Measurement], key: str) -> float:
    return statistics.median(run.value[key] for run in runs)


if __name__ == "__main__":
    main()
