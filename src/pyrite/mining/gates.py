"""Where each candidate of a selection was dropped, and with which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pyrite.data import Removals
from pyrite.data.codes import coded, decoded
from pyrite.mining.filters import Outcome
from pyrite.mining.pool import Pool

__all__ = ["Gates"]


class Gates:
    """The gate that dropped each row of a pool.

    Args:
        pool: Every candidate.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._gate = np.zeros(len(pool), dtype=np.int16)
        self._readmitted = np.zeros(len(pool), dtype=np.int16)
        self._names: list[str] = []
        self._numbers: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def kept(self) -> np.ndarray:
        """Return the rows that no gate has dropped, ascending."""
        return np.flatnonzero(self._gate == 0)

    def drop(self, gate: str, rows: np.ndarray, numbers: tuple[np.ndarray, np.ndarray] | None = None) -> int:
        """Note rows as dropped; those that an earlier gate dropped stay with it.

        Args:
            gate: Its name; two gates may share one.
            rows: Rows of the pool, ascending.
            numbers: For each of the rows, the number that was looked at and the threshold; None for a gate without.

        Returns:
            The gate's number, from 1.
        """
        self._names.append(gate)
        new = self._gate[rows] == 0
        if not new.all():
            rows = rows[new]
            numbers = None if numbers is None else (numbers[0][new], numbers[1][new])
        self._gate[rows] = len(self._names)
        if numbers is not None:
            self._numbers[len(self._names)] = (rows, *numbers)
        return len(self._names)

    def drop_failing(self, gate: str, rows: np.ndarray, outcome: Outcome) -> int:
        """Note the rows that a filter does not keep as dropped; arguments and result as in `drop`."""
        out = ~outcome.keep
        return self.drop(gate, rows[out], (outcome.values[out], outcome.thresholds[out]))

    def dropped_at(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that a gate with numbers dropped, and how far each was beyond the threshold."""
        rows, values, thresholds = self._numbers[number]
        return rows, values - thresholds

    def readmit(self, rows: np.ndarray) -> None:
        """Let rows that a gate dropped pass after all."""
        self._readmitted[rows] = self._gate[rows]
        self._gate[rows] = 0

    def readmitted(self, rows: np.ndarray) -> pa.Array:
        """Return the gate that first dropped each of some rows and let it pass after all, else null."""
        gates = self._readmitted[rows]
        return decoded(pa.array([None, *self._names], pa.string()), gates)

    def counts(self) -> dict[str, int]:
        """Return {gate: rows dropped}, in the order of the gates."""
        return self._counted(self._gate)

    def readmissions(self) -> dict[str, int]:
        """Return {gate: rows that passed after all}, of gates that have some."""
        return {gate: count for gate, count in self._counted(self._readmitted).items() if count}

    def _counted(self, gates: np.ndarray) -> dict[str, int]:
        numbers = np.bincount(gates, minlength=len(self._names) + 1)[1:]
        counted = dict.fromkeys(self._names, 0)
        for name, number in zip(self._names, numbers.tolist(), strict=True):
            counted[name] += number
        return counted

    def removals(self, metadata: Mapping[str, Any]) -> Removals:
        """Return all removals, gate after gate."""
        rows = np.argsort(self._gate, kind="stable")[np.count_nonzero(self._gate == 0) :]
        gates = self._gate[rows]
        numbers = np.full((2, len(rows)), np.nan)
        for gate, (dropped, *pair) in self._numbers.items():
            stay = self._gate[dropped] == gate
            # Of the gates' own type, else numpy makes another array of them all.
            first, last = np.searchsorted(gates, np.array([gate, gate + 1], dtype=gates.dtype))
            for column, values in zip(numbers, pair, strict=True):
                column[first:last] = values[stay]
        empty = ~np.isin(gates, list(self._numbers))
        names = self._pool.names
        columns = {
            "query_id": coded(names.queries, self._pool.query[rows]),
            "doc_id": coded(names.docs, self._pool.doc[rows]),
            "gate": coded(pa.array(self._names, pa.string()), gates - 1),
            "value": pa.array(numbers[0], mask=empty),
            "threshold": pa.array(numbers[1], mask=empty),
        }
        return Removals.of_unique(pa.table(columns), metadata)
