"""A ranking that another system made, as a source of candidates like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pyrite.data import Corpus, Queries, Run, ScoreKind
from pyrite.data.codes import find, positions, row_codes
from pyrite.errors import DataError, Problem
from pyrite.search.retriever import Pairs
from pyrite.search.topk import check_depth
from pyrite.settings import Json, canonical_hash

__all__ = ["RunIndex", "RunSource"]


class RunSource:
    """Gives out a run, such as one of Elasticsearch, Vespa or OpenSearch in TREC's format, as a retriever.

    Args:
        run: The ranking.
        name: What candidates call the source; by default the run's scorer, in a file its tag.
    """

    def __init__(self, run: Run, name: str | None = None) -> None:
        self._run = run
        self._name = run.scorer if name is None else name

    @property
    def name(self) -> str:
        """The name that candidates carry."""
        return self._name

    def build(self, corpus: Corpus) -> RunIndex:
        """Check that the corpus holds the run's documents.

        Raises:
            DataError: It lacks some; they are listed.
        """
        doc_ids = pc.unique(self._run.column("doc_id"))
        lacking = np.flatnonzero(positions(doc_ids, corpus.column("doc_id")) < 0)
        if len(lacking):
            names = sorted(doc_ids.take(pa.array(lacking)).to_pylist())
            raise DataError(
                f"the corpus lacks {len(names)} documents of the run {self._name!r}; was it made on another corpus?",
                [Problem("run", None, f"document {name!r}") for name in names],
            )
        return RunIndex(self._run, self._name)

    def identity(self) -> Json:
        """Return the hash of the ranking."""
        return {"run": self._run.fingerprint(), "name": self._name}


class RunIndex:
    """A run in the place of an index: `search` gives its rankings, `score` what it says of a pair.

    Unlike an index it cannot score what it does not hold: such scores are nan.

    Args:
        run: The ranking.
        name: What candidates call it.
    """

    def __init__(self, run: Run, name: str) -> None:
        self._run = run
        self._name = name
        self._query, self._queries = run.codes("query_id")
        self._doc, self._docs = run.codes("doc_id")
        self._order = np.lexsort((run.column("rank").to_numpy(), self._query))
        self._starts = np.searchsorted(self._query[self._order], np.arange(len(self._queries) + 1))

    @property
    def name(self) -> str:
        """The name that candidates carry."""
        return self._name

    @property
    def score_kind(self) -> ScoreKind:
        """What its scores mean."""
        return self._run.score_kind

    def search(self, queries: Queries, depth: int) -> Run:
        """Return the rankings of the queries that the run holds, down to a rank; others have none."""
        check_depth(depth)
        codes = positions(pa.array(sorted(queries.ids()), pa.string()), self._queries)
        codes = codes[codes >= 0]
        rows = [self._order[self._starts[code] : self._starts[code + 1]] for code in codes.tolist()]
        chosen = self._run.arrow.take(pa.array(np.concatenate([np.zeros(0, dtype=np.int64), *rows])))
        kept = chosen.filter(pc.less_equal(chosen.column("rank"), depth))
        return Run(kept, {"scorer": self._name, "score_kind": str(self.score_kind)})

    def score(self, queries: Queries, pairs: Pairs) -> np.ndarray:
        """Return the score of each pair, float64; nan for one that the run does not hold."""
        asked = [
            positions(pa.array(ids, pa.string()), known)
            for ids, known in ((pairs.query_ids, self._queries), (pairs.doc_ids, self._docs))
        ]
        there = (asked[0] >= 0) & (asked[1] >= 0)
        sizes = (len(self._queries), len(self._docs))
        held = row_codes([(self._query, sizes[0]), (self._doc, sizes[1])])
        wanted = row_codes([(codes[there], size) for codes, size in zip(asked, sizes, strict=True)])
        places = np.full(len(pairs), -1, dtype=np.int64)
        places[there] = find(held, wanted)
        scores = np.full(len(pairs), np.nan)
        scores[places >= 0] = self._run.column("score").to_numpy()[places[places >= 0]]
        return scores

    def save(self, folder: Path) -> None:
        """Write the run into a folder."""
        Run(self._run.arrow, {**self._run.metadata, "scorer": self._name}).save(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        run = Run.open(folder)
        return cls(run, run.scorer)

    def fingerprint(self) -> str:
        """Return a hash of the ranking and its name."""
        return canonical_hash([self._run.fingerprint(), self._name])
