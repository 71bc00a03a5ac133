"""Read somebody's training file into a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from pyrite.data import Corpus, Qrels, Queries, TrainingSet
from pyrite.data.formats.examples import used_documents
from pyrite.data.formats.parts import Conflicts, KnownTexts
from pyrite.data.formats.training import Format, Positives, files_beside, guess_format, read_training_set
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Json, Settings, content_hash

__all__ = ["LoadTrainingSetInputs", "LoadTrainingSetOutputs", "LoadTrainingSetSettings", "load_training_set"]


class LoadTrainingSetSettings(Settings):
    """Which file, and in which format."""

    file: Path
    """The file, relative to the working directory. Texts of ids are read from the files beside it that `export` and
    `pyrite convert` make, unless they come in as inputs."""
    format: Format | Literal["auto"] = "auto"
    """Its format; `auto` tells it from the content."""
    positives: Literal["as given", "first"] = Field(default="as given")
    """`first`: the first document of a row is its positive, where a file of PyLate does not say which is."""

    conflicts: Conflicts = "error"
    """What becomes of negatives that are positives of their query: `error`, a fault each, or `drop`, left out and
    counted in the training set's metadata."""

    def identity(self) -> Json:
        """Return the settings, with the content of the files in place of the path."""
        file_format = self._format()
        beside = {name: content_hash(path) for name, path in files_beside(self.file, file_format).items()}
        return {
            "file": content_hash(self.file),
            "beside": beside,
            "format": file_format,
            "positives": self.positives,
            "conflicts": self.conflicts,
        }

    def _format(self) -> Format:
        return guess_format(self.file) if self.format == "auto" else self.format

    def read(self, known: KnownTexts, qrels: Qrels | None) -> tuple[Corpus, Queries, TrainingSet]:
        """Read the file."""
        positives: Positives = "first" if self.positives == "first" else None
        if positives is None and qrels is not None:
            positives = {query_id: set(grades) for query_id, grades in qrels.relevant().by_query().items()}
        return read_training_set(self.file, self._format(), known, positives, self.conflicts)


@dataclass(frozen=True)
class LoadTrainingSetInputs:
    """What ids stand for, and who is relevant, where the file does not say it."""

    corpus: Corpus | None = None
    queries: Queries | None = None
    qrels: Qrels | None = None


@dataclass(frozen=True)
class LoadTrainingSetOutputs:
    """The groups, with the documents and queries that they refer to."""

    training_set: TrainingSet
    corpus: Corpus
    queries: Queries


@stage("load-training-set", version=2)
def load_training_set(
    settings: LoadTrainingSetSettings, inputs: LoadTrainingSetInputs, context: Context
) -> LoadTrainingSetOutputs:
    """Read a training file of any format: its groups, documents and queries."""
    corpus, queries, training_set = settings.read(KnownTexts(inputs.corpus, inputs.queries), inputs.qrels)
    _check_texts(settings.file, "corpus", [row_id for row_id in used_documents(training_set) if row_id not in corpus])
    query_ids = training_set.column("query_id").to_pylist()
    _check_texts(settings.file, "queries", [row_id for row_id in query_ids if row_id not in queries])
    return LoadTrainingSetOutputs(training_set, corpus, queries)


def _check_texts(file: Path, name: str, missing: list[str]) -> None:
    if missing:
        raise DataError(
            f"{file}: gives ids alone and the text of {len(missing)} of them, such as {missing[0]!r}, is not at hand; "
            f"give the input `{name}`"
        )
