"""Filter by what a judge said, such as a language model."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from pyrite.data import Verdicts
from pyrite.data.codes import find, positions
from pyrite.errors import DataError
from pyrite.mining.filters.protocol import Outcome
from pyrite.mining.pool import Pool
from pyrite.settings import Settings

__all__ = ["JudgedFilter"]


class JudgedFilter(Settings):
    """Keep n unless a judge finds it relevant: P(relevant) >= threshold by at least one of the judges.

    RLHN (arXiv 2505.16967) drops or relabels false negatives that language models find. Documents that people judged
    not relevant pass: their word stands before a model's.
    """

    guesses: ClassVar[bool] = False

    type: Literal["judged"] = "judged"
    threshold: float | None = Field(default=None, ge=0, le=1)
    """The probability from which a candidate is relevant; empty for the judge's own yes or no."""
    judges: tuple[str, ...] = ()
    """The judges that count; empty for all."""
    unjudged: Literal["keep", "drop"] = "keep"
    """What happens to a candidate without a verdict."""

    def apply(self, pool: Pool) -> Outcome:
        """Decide on each row.

        Raises:
            DataError: There are no verdicts, or none by one of the judges.
        """
        verdicts = None if pool.facts is None else pool.facts.verdicts
        if verdicts is None:
            raise DataError("the filter 'judged' wants verdicts: give the selection some, or leave the filter out")
        query, doc, value = self._said(pool, verdicts)
        order = np.argsort(-value, kind="stable")
        places = find(pool.names.pairs(query, doc)[order], pool.names.pairs(pool.query, pool.doc))
        found = places >= 0
        values = np.where(found, value[order][places] if len(order) else 0.0, np.nan)
        threshold = 1.0 if self.threshold is None else self.threshold
        keep = np.where(found, values < threshold, self.unjudged == "keep") | pool.trusted
        return Outcome(keep, values, np.full(len(pool), threshold))

    def _said(self, pool: Pool, verdicts: Verdicts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return codes of queries and documents, and what was said: 0 or 1 where no threshold is given."""
        table = verdicts.arrow
        unknown = sorted(set(self.judges) - set(pc.unique(table.column("judge")).to_pylist()))
        if unknown:
            raise DataError(f"judges: no verdicts by {', '.join(unknown)}")
        if self.judges:
            table = table.filter(pc.is_in(table.column("judge"), pa.array(self.judges)))
        query = positions(table.column("query_id"), pool.names.queries)
        doc = positions(table.column("doc_id"), pool.names.docs)
        said = table.column("relevant" if self.threshold is None else "probability").to_numpy().astype(np.float64)
        there = (query >= 0) & (doc >= 0)
        return query[there], doc[there], said[there]
