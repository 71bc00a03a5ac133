"""Optional packages: imported where they are used, with an error that says how to install them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from pyrite.errors import MissingExtraError

__all__ = ["locate", "require"]


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Args:
        module: The dotted name to import.
        extra: The extra of Pyrite that installs it.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed.

    Example:
        >>> require("json", "dev").__name__
        'json'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or module.partition(".")[0] != error.name.partition(".")[0]:
            raise
        raise _missing(error.name, extra) from error


def locate(package: str, extra: str) -> Path:
    """Return the folder of an optional package without importing it, for the data that it carries.

    Args:
        package: A top-level package.
        extra: The extra of Pyrite that installs it.

    Raises:
        MissingExtraError: It is not installed.

    Example:
        >>> locate("json", "dev").name
        'json'
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise _missing(package, extra)
    return Path(spec.origin).parent


def _missing(package: str, extra: str) -> MissingExtraError:
    return MissingExtraError(f"the package {package!r} is not installed; run: pip install 'pyrite[{extra}]'")
