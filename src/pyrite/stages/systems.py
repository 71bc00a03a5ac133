"""Gather scores by system: several seeds of one system are one system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pyrite.data import QueryScores
from pyrite.errors import SettingsError
from pyrite.eval import average_seeds

__all__ = ["check_known", "gather"]


def gather(scores: Mapping[str, QueryScores]) -> list[QueryScores]:
    """Return one table for each system, in the order of first appearance, seeds averaged."""
    systems: dict[str, list[QueryScores]] = {}
    for table in scores.values():
        systems.setdefault(table.system, []).append(table)
    return [tables[0] if len(tables) == 1 else average_seeds(tables) for tables in systems.values()]


def check_known(names: Iterable[str], tables: Sequence[QueryScores], where: str) -> None:
    """Check that systems named in settings were measured.

    Raises:
        SettingsError: One was not.
    """
    known = [table.system for table in tables]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise SettingsError(f"{where}: not measured: {', '.join(unknown)}; measured: {', '.join(known)}")
