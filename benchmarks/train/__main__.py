"""Run every benchmark of training, or those whose names are given: `python -m benchmarks.train steps memory`."""

from __future__ import annotations

from benchmarks.package import run_package

if __name__ == "__main__":
    run_package("benchmarks.train", {"material"})
