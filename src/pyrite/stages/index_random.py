"""Propose random documents."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.search.random_source import RandomIndex, RandomRetriever
from pyrite.settings import Settings

__all__ = ["IndexRandomInputs", "IndexRandomOutputs", "IndexRandomSettings", "index_random"]


class IndexRandomSettings(Settings):
    """Which random documents."""

    seed: int = 0
    """Another seed, other documents."""


@dataclass(frozen=True)
class IndexRandomInputs:
    """The documents."""

    corpus: Corpus


@dataclass(frozen=True)
class IndexRandomOutputs:
    """The index."""

    index: RandomIndex


@stage("index-random", version=1)
def index_random(settings: IndexRandomSettings, inputs: IndexRandomInputs, context: Context) -> IndexRandomOutputs:
    """Propose random documents of a corpus, as a baseline for other sources."""
    return IndexRandomOutputs(RandomRetriever(seed=settings.seed).build(inputs.corpus))
