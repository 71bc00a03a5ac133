"""Pyrite: mine hard negatives, train dense retrievers with them, and measure what they gained.

The package is layered (see `docs/architecture.md`). Importing it loads neither torch nor any
model: each subpackage is imported on its own, and the heavy libraries only when they are used.

Example:
    >>> import pyrite
    >>> pyrite.__version__.count(".")
    2
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
