"""Running the benchmarks of a package: all of them, or those that are named."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Set as AbstractSet

__all__ = ["run_package"]


def run_package(package: str, others: AbstractSet[str] = frozenset()) -> None:
    """Call `main` of each module that the command line names, or of all in the order of their names.

    Args:
        package: The package's full name, such as "benchmarks.train".
        others: Modules of it that are no benchmarks. Arguments that begin with "-" are the benchmarks' own.
    """
    known = [module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    names = [name for name in sys.argv[1:] if not name.startswith("-")]
    for name in names or [name for name in known if name not in others | {"__main__"}]:
        importlib.import_module(f"{package}.{name}").main()
