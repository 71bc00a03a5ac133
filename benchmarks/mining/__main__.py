"""Run every benchmark of mining, or those whose names are given: `python -m benchmarks.mining bm25 exact`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks.mining

NOT_BENCHMARKS = {"__main__", "grown", "vectors", "peer_encode"}


def main() -> None:
    """Run the modules of this package that have a `main`, in the order of their names."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.mining.__path__)]
    names = sys.argv[1:] or [name for name in known if name not in NOT_BENCHMARKS]
    for name in names:
        importlib.import_module(f"benchmarks.mining.{name}").main()


if __name__ == "__main__":
    main()
