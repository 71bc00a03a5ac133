"""Run every benchmark of the scores of negatives, or those whose names are given: `python -m benchmarks.eci speed`."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks.eci

NOT_BENCHMARKS = {"__main__"}


def main() -> None:
    """Run the modules of this package that have a `main`, in the order of their names."""
    known = [module.name for module in pkgutil.iter_modules(benchmarks.eci.__path__)]
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    for name in names or [name for name in known if name not in NOT_BENCHMARKS]:
        importlib.import_module(f"benchmarks.eci.{name}").main()


if __name__ == "__main__":
    main()
