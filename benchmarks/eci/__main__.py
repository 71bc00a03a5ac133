"""Run every benchmark of the scores of negatives, or those whose names are given: `python -m benchmarks.eci speed`."""

from __future__ import annotations

from benchmarks.package import run_package

if __name__ == "__main__":
    run_package("benchmarks.eci")
