"""The command line: `pyrite --help` lists what it can do."""

from pyrite.cli.app import main

__all__ = ["main"]
