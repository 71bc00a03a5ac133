"""Write training files for other toolkits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from pyrite.data import Corpus, Queries, TrainingSet
from pyrite.data.formats.examples import TrainingParts
from pyrite.data.formats.flagembedding import FlagEmbeddingLayout, write_flag_embedding
from pyrite.data.formats.sentence_transformers import SentenceTransformersLayout, write_sentence_transformers
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.artifacts import Files

__all__ = ["ExportInputs", "ExportOutputs", "ExportSettings", "export"]


class ExportSettings(Settings):
    """Which convention, and how its options stand."""

    layout: Annotated[SentenceTransformersLayout | FlagEmbeddingLayout, Field(discriminator="type")]
    """The convention by its `type`: `sentence-transformers` or `flag-embedding`."""


@dataclass(frozen=True)
class ExportInputs:
    """The training set, and the texts that its ids stand for."""

    training_set: TrainingSet
    corpus: Corpus
    queries: Queries


@dataclass(frozen=True)
class ExportOutputs:
    """A folder with `train.jsonl`."""

    files: Files


@stage("export", version=1)
def export(settings: ExportSettings, inputs: ExportInputs, context: Context) -> ExportOutputs:
    """Write a training set in the format of another toolkit."""
    parts = TrainingParts(inputs.corpus, inputs.queries, inputs.training_set)
    folder = context.workdir / "files"
    folder.mkdir(exist_ok=True)
    if isinstance(settings.layout, SentenceTransformersLayout):
        write_sentence_transformers(parts, folder / "train.jsonl", settings.layout)
    else:
        write_flag_embedding(parts, folder / "train.jsonl", settings.layout)
    return ExportOutputs(Files(folder))
