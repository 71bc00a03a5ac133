"""Optional packages: imported where they are used, with an error that says how to install them."""

from __future__ import annotations

import importlib
from types import ModuleType

from pyrite.errors import MissingExtraError

__all__ = ["require"]


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
        raise MissingExtraError(
            f"the package {error.name!r} is not installed; run: pip install 'pyrite[{extra}]'"
        ) from error
