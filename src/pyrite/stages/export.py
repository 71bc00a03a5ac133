"""Write training files for other toolkits."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pyrite.data import Corpus, Queries, TrainingSet
from pyrite.data.formats.examples import TrainingParts
from pyrite.data.formats.training import TrainingLayout, write_training_set
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.artifacts import Files

__all__ = ["ExportInputs", "ExportOutputs", "ExportSettings", "export"]


_LOG = logging.getLogger(__name__)
_SUFFIXES: Mapping[str, str] = {"gpl": ".tsv", "nemo": ".json"}


class ExportSettings(Settings):
    """Which convention, and how its options stand."""

    layout: TrainingLayout
    """The convention by its `type`."""


@dataclass(frozen=True)
class ExportInputs:
    """The training set, and the texts that its ids stand for."""

    training_set: TrainingSet
    corpus: Corpus
    queries: Queries


@dataclass(frozen=True)
class ExportOutputs:
    """A folder with `train.jsonl` (GPL: `train.tsv`, NeMo: `train.json`), and the texts beside a file of ids."""

    files: Files


@stage("export", version=1)
def export(settings: ExportSettings, inputs: ExportInputs, context: Context) -> ExportOutputs:
    """Write a training set in the format of another toolkit."""
    parts = TrainingParts(inputs.corpus, inputs.queries, inputs.training_set)
    folder = context.workdir / "files"
    folder.mkdir(exist_ok=True)
    name = f"train{_SUFFIXES.get(settings.layout.type, '.jsonl')}"
    written = write_training_set(parts, folder / name, settings.layout)
    # Whatever has no field for titles joins them, and that is how encoders read a document: no reason to warn.
    for sentence in replace(written, joined_titles=0).told():
        _LOG.warning("%s: %s", settings.layout.type, sentence)
    return ExportOutputs(Files(folder))
