"""Mining in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, Removals, Run
from pyrite.errors import SettingsError
from pyrite.memory import give_back
from pyrite.mining.audit import Audit
from pyrite.mining.candidates import collect_candidates
from pyrite.mining.filters import FilterSettings
from pyrite.mining.samplers import SamplerSettings, TopSampler
from pyrite.mining.selection import Masking, Selection, select_negatives
from pyrite.mining.shortage import Shortage
from pyrite.models.protocols import PairScorer
from pyrite.search.fusion import Fusion
from pyrite.search.rescoring import IdScorer, TextPairScorer, rescore
from pyrite.search.retriever import Index, Retriever
from pyrite.search.run_source import RunSource

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
        sources: Retrievers with different names; runs that another system made, which go by their scorer; and
            fusions of those, in whose place their parts give no negatives.
        rescorer: Scores all candidates and positives on one scale, for the filters: the name of
            one of the sources, or a `PairScorer` such as a cross-encoder. Without it each
            candidate is compared with the positives by the source that ranked it best.
        filters: Applied in order.
        sampler: Draws from what is left.
        masking: Grade threshold, and what judgements and ids rule out.
        shortage: What happens to a query with too few candidates left.

    Raises:
        SettingsError: Two sources share a name, `rescorer` names no retriever among them, or is a `PairScorer` beside
            a source of the name "rescorer".
        SearchError: A fusion names a source that is not there.

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
        sources: Sequence[Retriever | Run | Fusion],
        *,
        rescorer: str | PairScorer | None = None,
        filters: Sequence[FilterSettings] = (),
        sampler: SamplerSettings | None = None,
        masking: Masking | None = None,
        shortage: Shortage = "fewer",
    ) -> None:
        named = [RunSource(source) if isinstance(source, Run) else source for source in sources]
        names = [source.name for source in named]
        if len(set(names)) != len(names):
            raise SettingsError(f"sources: names must differ, given: {names}")
        self._fusions = [source for source in named if isinstance(source, Fusion)]
        self._sources = {source.name: source for source in named if not isinstance(source, Fusion)}
        scoring = sorted(name for name, source in self._sources.items() if not isinstance(source, RunSource))
        if isinstance(rescorer, str) and rescorer not in scoring:
            raise SettingsError(f"rescorer: {rescorer!r} is none of the sources {scoring}")
        if not isinstance(rescorer, str | None) and _RESCORER in names:
            raise SettingsError(
                f"sources: {_RESCORER!r} is what the scores of the rescorer are called; rename the source"
            )
        self._rescorer = rescorer
        joined = {part for fusion in self._fusions for part in fusion.parts(self._sources)}
        self.selection = Selection(
            sources=tuple(name for name in names if name not in joined),
            scorer=rescorer if rescorer is None or isinstance(rescorer, str) else _RESCORER,
            filters=tuple(filters),
            sampler=sampler or TopSampler(),
            masking=masking or Masking(),
            shortage=shortage,
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
        candidates = self._candidates(corpus, queries, qrels, depth)
        give_back()
        chosen = select_negatives(candidates, corpus, queries, qrels, self.selection)
        give_back()
        return MiningResult(candidates, chosen.negatives, chosen.removals, chosen.audit)

    def _candidates(self, corpus: Corpus, queries: Queries, qrels: Qrels, depth: int) -> Candidates:
        """Return what every source proposes, scored; the indices go with the call."""
        indices: dict[str, Index] = {name: source.build(corpus) for name, source in self._sources.items()}
        threshold = self.selection.masking.grade_threshold
        candidates = collect_candidates(
            indices, queries, qrels, depth=depth, grade_threshold=threshold, fusions=self._fusions
        )
        if self._rescorer is None:
            return candidates
        return rescore(candidates, queries, str(self.selection.scorer), self._scorer(corpus, indices))

    def _scorer(self, corpus: Corpus, indices: dict[str, Index]) -> IdScorer:
        if isinstance(self._rescorer, str):
            return indices[self._rescorer]
        assert self._rescorer is not None
        return TextPairScorer(self._rescorer, corpus)
