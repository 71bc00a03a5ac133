"""Mining in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals
from pyrite.errors import SettingsError
from pyrite.mining.audit import Audit
from pyrite.mining.candidates import collect_candidates
from pyrite.mining.filters import FilterSettings
from pyrite.mining.samplers import SamplerSettings, TopSampler
from pyrite.mining.selection import Masking, Selection, select_negatives
from pyrite.models.protocols import PairScorer
from pyrite.search.rescoring import IdScorer, TextPairScorer, rescore
from pyrite.search.retriever import Index, Retriever

__all__ = ["HardNegativeMiner", "MiningResult"]

_RESCORER = "rescorer"


@dataclass(frozen=True, slots=True)
class MiningResult:
    """What mining gives.

    Attributes:
        candidates: Everything that was proposed and scored, for further selections.
        negatives: What was chosen.
        removals: What was dropped, and at which gate.
        audit: The counts.
    """

    candidates: Candidates
    negatives: Negatives
    removals: Removals
    audit: Audit


class HardNegativeMiner:
    """Mines hard negatives: searches every source, masks, filters and draws.

    Args:
        sources: Retrievers with different names.
        rescorer: Scores all candidates and positives on one scale, for the filters: the name of
            one of the sources, or a `PairScorer` such as a cross-encoder. Without it each
            candidate is compared with the positives by the source that ranked it best.
        filters: Applied in order.
        sampler: Draws from what is left.
        masking: Grade threshold, and what judgements and ids rule out.

    Raises:
        SettingsError: Two sources share a name, `rescorer` names none of them, or is a `PairScorer` beside a source
            of the name "rescorer".

    Example:
        >>> from pyrite.mining import MarginFilter, TopSampler
        >>> from pyrite.search import LexicalRetriever
        >>> from pyrite.testing.tiny import tiny_collection
        >>> tiny = tiny_collection()
        >>> bm25 = LexicalRetriever()
        >>> miner = HardNegativeMiner([bm25], filters=[MarginFilter(margin=0.5)], sampler=TopSampler(count=2))
        >>> result = miner.mine(tiny.corpus, tiny.queries, tiny.splits["train"], depth=10)
        >>> result.audit.negatives == len(result.negatives)
        True
    """

    def __init__(
        self,
        sources: Sequence[Retriever],
        *,
        rescorer: str | PairScorer | None = None,
        filters: Sequence[FilterSettings] = (),
        sampler: SamplerSettings | None = None,
        masking: Masking | None = None,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        if len(self._sources) != len(sources):
            raise SettingsError(f"sources: names must differ, given: {[source.name for source in sources]}")
        if isinstance(rescorer, str) and rescorer not in self._sources:
            raise SettingsError(f"rescorer: {rescorer!r} is none of the sources {sorted(self._sources)}")
        if not isinstance(rescorer, str | None) and _RESCORER in self._sources:
            raise SettingsError(
                f"sources: {_RESCORER!r} is what the scores of the rescorer are called; rename the source"
            )
        self._rescorer = rescorer
        self.selection = Selection(
            sources=tuple(self._sources),
            scorer=rescorer if rescorer is None or isinstance(rescorer, str) else _RESCORER,
            filters=tuple(filters),
            sampler=sampler or TopSampler(),
            masking=masking or Masking(),
        )

    def mine(self, corpus: Corpus, queries: Queries, qrels: Qrels, depth: int = 100) -> MiningResult:
        """Mine negatives for every query that has a positive.

        Args:
            corpus: The documents.
            queries: The queries.
            qrels: Their judgements; the positives must be in the corpus.
            depth: How many documents each source proposes, from 1.

        Raises:
            DataError: No query has a positive, or ids do not fit together.
            SearchError: A positive is not in the corpus.
        """
        indices: dict[str, Index] = {name: source.build(corpus) for name, source in self._sources.items()}
        threshold = self.selection.masking.grade_threshold
        candidates = collect_candidates(indices, queries, qrels, depth=depth, grade_threshold=threshold)
        if self._rescorer is not None:
            scorer = self._scorer(corpus, indices)
            candidates = rescore(candidates, queries, str(self.selection.scorer), scorer)
        chosen = select_negatives(candidates, corpus, queries, qrels, self.selection)
        return MiningResult(candidates, chosen.negatives, chosen.removals, chosen.audit)

    def _scorer(self, corpus: Corpus, indices: dict[str, Index]) -> IdScorer:
        if isinstance(self._rescorer, str):
            return indices[self._rescorer]
        assert self._rescorer is not None
        return TextPairScorer(self._rescorer, corpus)
