"""Which splits a loaded collection ends up with."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pyrite.data.collection import Collection
from pyrite.data.formats.beir import write_beir
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.stages.load import BeirSource, LoadInputs, LoadOutputs, LoadSettings, load
from pyrite.testing.tiny import tiny_collection


def loaded(folder: Path, **splits: str) -> LoadOutputs:
    """Load the tiny collection with its splits under other names."""
    tiny = tiny_collection()
    renamed = {new: tiny.splits[old] for new, old in splits.items()}
    write_beir(Collection("tiny", tiny.corpus, tiny.queries, renamed), folder / "tiny")
    settings = LoadSettings(source=BeirSource(folder=folder / "tiny"), dev_share=0.4)
    return load(settings, LoadInputs(), Context(folder))


def test_validation_is_dev(tmp_path: Path) -> None:
    outputs = loaded(tmp_path, train="train", validation="dev", test="test")
    assert outputs.dev.query_ids() == tiny_collection().splits["dev"].query_ids()


def test_without_dev_one_is_cut_from_training(tmp_path: Path) -> None:
    outputs = loaded(tmp_path, train="train", test="test")
    parts = set(outputs.train.query_ids()), set(outputs.dev.query_ids())
    assert parts[0] | parts[1] == set(tiny_collection().splits["train"].query_ids())
    assert not parts[0] & parts[1]
    assert len(parts[1]) == 2


def test_an_unknown_split_is_left_out_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        outputs = loaded(tmp_path, train="train", test="test", trec19="dev")
    assert "the split 'trec19' is left out; known: train, dev, validation" in caplog.text
    assert len(outputs.test.query_ids()) == 4


def test_two_dev_splits_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two splits are called dev"):
        loaded(tmp_path, train="train", dev="dev", val="test")
