"""Run every benchmark of mining, or those whose names are given: `python -m benchmarks.mining bm25 exact`."""

from __future__ import annotations

from benchmarks.package import run_package

if __name__ == "__main__":
    run_package("benchmarks.mining", {"grown", "vectors", "peer_encode"})
