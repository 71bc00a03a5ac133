"""Read a ranking that another system made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyrite.data import Run, ScoreKind
from pyrite.data.formats.trec import read_run
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Json, Settings, canonical, content_hash

__all__ = ["LoadRunInputs", "LoadRunOutputs", "LoadRunSettings", "load_run"]


class LoadRunSettings(Settings):
    """Which file, and what it does not say."""

    file: Path
    """A run in TREC's format, plain or with `.gz`, relative to the working directory."""
    score_kind: ScoreKind = ScoreKind.UNKNOWN
    """What its scores mean."""

    def identity(self) -> Json:
        """Return the settings, with the content of the file in place of its path."""
        return {"file": content_hash(self.file), "score_kind": canonical(str(self.score_kind))}


@dataclass(frozen=True)
class LoadRunInputs:
    """Nothing: the file is in the settings."""


@dataclass(frozen=True)
class LoadRunOutputs:
    """The ranking."""

    run: Run


@stage("load-run", version=1)
def load_run(settings: LoadRunSettings, inputs: LoadRunInputs, context: Context) -> LoadRunOutputs:
    """Read a run of Elasticsearch, Vespa, OpenSearch or any other system, in TREC's format."""
    return LoadRunOutputs(read_run(settings.file, settings.score_kind))
