from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import CrossEncoder

from pyrite.data import ScoreKind
from pyrite.errors import ModelError, SettingsError
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.devices import compute_batches
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.testing import check_pair_scorer
from pyrite.testing.models import write_cross_encoder, write_transformer_model
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
# Every query with every document, one of them longer than the model's 64 tokens.
PAIRS = [(query, text) for query in TINY.queries.texts() for text in [*TINY.corpus.texts(), "pyrite gold " * 60]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("cross"), [*TINY.corpus.texts(), *TINY.queries.texts()])


def predicted(folder: Path, pairs: list[tuple[str, str]], activation: Any = None, **options: Any) -> np.ndarray:
    model = CrossEncoder(str(folder), device="cpu", **options)
    scores: np.ndarray = model.predict(pairs, activation_fn=activation or torch.nn.Identity())
    return scores


def test_it_keeps_the_protocol(folder: Path) -> None:
    check_pair_scorer(CrossEncoderScorer.load(folder, device="cpu"))


def test_scores_are_those_of_predict(folder: Path) -> None:
    scorer = CrossEncoderScorer.load(folder, device="cpu")
    ours = scorer.score(PAIRS)
    assert scorer.score_kind is ScoreKind.LOGIT
    assert np.ptp(ours) > 0.5
    assert np.allclose(ours, predicted(folder, PAIRS), rtol=0, atol=1e-5)


def test_probabilities_are_the_sigmoid(folder: Path) -> None:
    settings = CrossEncoderSettings(model=str(folder), scores="probability")
    scorer = CrossEncoderScorer.load(settings, device="cpu")
    assert scorer.score_kind is ScoreKind.PROBABILITY
    assert np.allclose(scorer.score(PAIRS), predicted(folder, PAIRS, torch.nn.Sigmoid()), rtol=0, atol=1e-5)


def test_half_precision_is_near(folder: Path) -> None:
    exact = CrossEncoderScorer.load(folder, device="cpu")
    half = CrossEncoderScorer.load(folder, device="cpu", precision="bf16")
    ours, near = (scorer.score(PAIRS) for scorer in (exact, half))
    assert half.identity()["precision"] == "torch.bfloat16"
    assert 0 < np.abs(ours - near).max() < 0.1
    assert exact.identity() != half.identity()


def test_a_checkpoint_in_half_precision_computes_in_full(folder: Path, tmp_path: Path) -> None:
    CrossEncoder(str(folder), device="cpu").bfloat16().save_pretrained(str(tmp_path / "half"), create_model_card=False)
    assert CrossEncoderScorer.load(tmp_path / "half", device="cpu").identity()["precision"] == "torch.float32"


@pytest.mark.parametrize("batch_tokens", [1, 100, 10**6])
@pytest.mark.parametrize("device", ["cpu", "cpu,cpu"])
def test_batches_and_devices_change_nothing(folder: Path, batch_tokens: int, device: str) -> None:
    scorer = CrossEncoderScorer.load(folder, device=device, batch_tokens=batch_tokens)
    reference = CrossEncoderScorer.load(folder, device="cpu")
    assert np.allclose(scorer.score(PAIRS[:60]), reference.score(PAIRS[:60]), rtol=0, atol=1e-5)
    assert scorer.identity() == reference.identity()


def test_a_pair_is_computed_once(folder: Path) -> None:
    scorer = CrossEncoderScorer.load(folder, device="cpu")
    model, seen = scorer._model, []
    forward = model.forward
    model.forward = lambda features, **options: (seen.append(len(features["input_ids"])), forward(features))[1]
    scores = scorer.score([PAIRS[0], PAIRS[1], PAIRS[0], PAIRS[0]])
    assert sum(seen) == 2
    assert scores[0] == scores[2] == scores[3] != scores[1]


def test_the_length_cuts_and_is_identity(folder: Path) -> None:
    short = CrossEncoderScorer.load(folder, device="cpu", max_length=12)
    assert np.allclose(short.score(PAIRS), predicted(folder, PAIRS, max_length=12), rtol=0, atol=1e-5)
    assert short.identity()["max_length"] == 12
    assert short.identity() != CrossEncoderScorer.load(folder, device="cpu").identity()


def test_a_prompt_of_the_model_is_used(folder: Path, tmp_path: Path) -> None:
    model = CrossEncoder(str(folder), device="cpu", prompts={"ask": "which gold mineral "}, default_prompt_name="ask")
    model.save_pretrained(str(tmp_path / "prompted"), create_model_card=False)
    scorer = CrossEncoderScorer.load(tmp_path / "prompted", device="cpu")
    assert scorer.identity()["prompt"] == "which gold mineral "
    assert np.allclose(scorer.score(PAIRS), predicted(tmp_path / "prompted", PAIRS), rtol=0, atol=1e-5)
    assert not np.allclose(scorer.score(PAIRS), predicted(folder, PAIRS), atol=1e-3)


def test_weights_are_identity(folder: Path, tmp_path: Path) -> None:
    other = write_cross_encoder(tmp_path / "other", [*TINY.corpus.texts(), *TINY.queries.texts()], seed=1)
    one, two = (CrossEncoderScorer.load(path, device="cpu").identity()["weights"] for path in (folder, other))
    assert one != two


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    encoder = write_transformer_model(tmp_path / "encoder", TINY.corpus.texts())
    with pytest.raises(ModelError, match="BertModel, without a trained head for scores"):
        CrossEncoderScorer.load(encoder, device="cpu")


def test_several_outputs_are_refused(tmp_path: Path) -> None:
    folder = write_cross_encoder(tmp_path / "three", TINY.corpus.texts(), labels=3)
    with pytest.raises(ModelError, match="one output; this one has 3"):
        CrossEncoderScorer.load(folder, device="cpu")


def test_faults_of_loading_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no folder at"):
        CrossEncoderScorer.load(tmp_path / "nothing", device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="cannot be loaded as a cross-encoder"):
        CrossEncoderScorer.load(tmp_path / "empty", device="cpu")
    with pytest.raises(ModelError, match="wants a revision"):
        CrossEncoderScorer.load(CrossEncoderSettings(model="a/b", trust_remote_code=True), device="cpu")
    with pytest.raises(ModelError, match="'cuda:99' is not there"):
        CrossEncoderScorer.load("a/b", device="cuda:99")
    with pytest.raises(ModelError, match="'pyrite' is no device"):
        CrossEncoderScorer.load("a/b", device="pyrite")


def test_a_failing_replica_is_heard() -> None:
    def compute(replica: str, rows: np.ndarray) -> np.ndarray:
        raise RuntimeError(f"{replica} is out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        compute_batches([np.array([0]), np.array([1])], ["one", "two"], compute)
