"""Run every benchmark of training, or those whose names are given: `python -m benchmarks.train steps memory`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks.train

NOT_BENCHMARKS = {"__main__", "material"}


def main() -> None:
    """Run the modules of this package that have a `main`, in the order of their names."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.train.__path__)]
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    for name in names or [name for name in known if name not in NOT_BENCHMARKS]:
        importlib.import_module(f"benchmarks.train.{name}").main()


if __name__ == "__main__":
    main()
