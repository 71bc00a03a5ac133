"""Which splits a loaded collection ends up with."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pyrite.data.collection import Collection
from pyrite.data.formats.beir import write_beir
from pyrite.errors import DataError
from pyrite.pipeline.context import Context
from pyrite.stages.load import BeirSource, Cut, LoadInputs, LoadOutputs, LoadSettings, load
from pyrite.testing.tiny import tiny_collection


def loaded(folder: Path, cut: Cut | None = None, **splits: str) -> LoadOutputs:
    """Load the tiny collection, or a cut of it, with its splits under other names."""
    tiny = tiny_collection()
    renamed = {new: tiny.splits[old] for new, old in splits.items()}
    write_beir(Collection("tiny", tiny.corpus, tiny.queries, renamed), folder / "tiny")
    settings = LoadSettings(source=BeirSource(folder=folder / "tiny"), dev_share=0.4, cut=cut or Cut())
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


def test_a_cut_keeps_what_the_drawn_queries_are_judged_on(tmp_path: Path) -> None:
    outputs = loaded(tmp_path, Cut(train=2, test=1, documents=1), train="train", test="test")
    splits = (outputs.train, outputs.dev, outputs.test)
    assert [len(qrels.query_ids()) for qrels in splits] == [2, 2, 1]
    assert set(outputs.queries.ids()) == {row_id for qrels in splits for row_id in qrels.query_ids()}
    judged = {row.doc_id for qrels in splits for row in qrels.rows()}
    assert set(outputs.corpus.ids()) == judged
    assert outputs.corpus.metadata["collection"] == "tiny (cut)"


def test_a_larger_cut_holds_the_smaller_one(tmp_path: Path) -> None:
    whole = set(tiny_collection().corpus.ids())
    cuts = [
        loaded(tmp_path / f"{number}", Cut(train=1, dev=1, test=1, documents=number), train="train", test="test")
        for number in (6, 8, 1000)
    ]
    kept = [set(outputs.corpus.ids()) for outputs in cuts]
    assert len(kept[0]) == 6
    assert kept[0] < kept[1] < kept[2] == whole


def test_without_a_cut_nothing_is_left_out(tmp_path: Path) -> None:
    outputs = loaded(tmp_path, train="train", test="test")
    assert outputs.corpus.metadata["collection"] == "tiny"
    assert outputs.corpus.ids() == tiny_collection().corpus.ids()
