"""Training files out of a pipeline and into one."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from pyrite.data import Corpus, Document, Qrels, Queries, Query, TrainingGroup, TrainingSet
from pyrite.data.formats import Format, KnownTexts, TrainingParts, write_training_set
from pyrite.data.formats.pylate import PyLateLayout
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.settings import parse_settings
from pyrite.stages.export import ExportInputs, ExportSettings, export
from pyrite.stages.load_training_set import (
    LoadTrainingSetInputs,
    LoadTrainingSetSettings,
    load_training_set,
)

GROUP = TrainingGroup("q", ("p",), ("n",), None, (1.0, 0.5))
PARTS = TrainingParts(
    Corpus.from_rows([Document("p", "gold"), Document("n", "pyrite")]),
    Queries.from_rows([Query("q", "which glitters")]),
    TrainingSet.from_rows([GROUP]),
)


@pytest.mark.parametrize("name", get_args(Format))
def test_every_layout_is_exported_and_loaded_again(tmp_path: Path, name: Format) -> None:
    settings = parse_settings(ExportSettings, {"layout": {"type": name}}, "settings")
    context = Context(tmp_path)
    files = export(settings, ExportInputs(PARTS.training_set, PARTS.corpus, PARTS.queries), context).files
    (file,) = (path for path in files.path.iterdir() if path.stem == "train" and path.is_file())
    loaded = load_training_set(LoadTrainingSetSettings(file=file), LoadTrainingSetInputs(), context)
    assert [(group.positive_ids, group.negative_ids) for group in loaded.training_set.rows()] == [(("p",), ("n",))]
    assert (loaded.corpus.texts(), loaded.queries.texts()) == (["gold", "pyrite"], ["which glitters"])


def test_the_identity_is_of_the_content_and_of_the_texts_beside(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    write_training_set(PARTS, file, PyLateLayout())
    first = LoadTrainingSetSettings(file=file).identity()
    assert first["format"] == "pylate"
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    for path in list(tmp_path.glob("*.jsonl")):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    assert LoadTrainingSetSettings(file=elsewhere / "train.jsonl").identity() == first
    (elsewhere / "train.corpus.jsonl").write_text("{}")
    assert LoadTrainingSetSettings(file=elsewhere / "train.jsonl").identity() != first


def test_ids_want_texts_and_positives(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    write_training_set(PARTS._replace(corpus=Corpus.empty()), file, PyLateLayout(positives=False))
    settings, context = LoadTrainingSetSettings(file=file), Context(tmp_path)
    qrels = Qrels.from_columns(query_id=["q", "q"], doc_id=["p", "n"], grade=[1, 0], source=["human"] * 2)
    given = KnownTexts(PARTS.corpus)
    with pytest.raises(DataError, match="nothing says which of the documents are positives"):
        load_training_set(settings, LoadTrainingSetInputs(given.corpus), context)
    with pytest.raises(DataError, match="the text of 2 of them, such as 'p', is not at hand; give the input `corpus`"):
        load_training_set(settings, LoadTrainingSetInputs(qrels=qrels), context)
    loaded = load_training_set(settings, LoadTrainingSetInputs(given.corpus, qrels=qrels), context)
    assert list(loaded.training_set.rows()) == [GROUP]
