"""The stage cet: two scorers that load, and candidates scored by both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Candidates, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.errors import StageError
from pyrite.mining import TopSampler, collect_candidates, select_negatives
from pyrite.mining.selection import Selection
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.pipeline.context import Context, Resources
from pyrite.search import LexicalRetriever
from pyrite.stages.cet import CetInputs, CetSettings, cet
from pyrite.stages.scorers import ScorerStore
from pyrite.testing.models import write_causal_model, write_cross_encoder
from pyrite.testing.tiny import tiny_collection
from pyrite.train import CetTrainer

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
RESOURCES = Resources(device="cpu", shard_size=10)
SETTINGS = CetSettings(trainer=CetTrainer(batch_size=3, learning_rate=0.01, warmup=None, temperature=2.0))


@pytest.fixture(scope="module")
def mined() -> tuple[Candidates, TrainingSet]:
    index, qrels = LexicalRetriever().build(TINY.corpus), TINY.split("train")
    candidates = collect_candidates({"bm25": index}, TINY.queries, qrels, depth=6)
    chosen = select_negatives(candidates, TINY.corpus, TINY.queries, qrels, Selection(sampler=TopSampler(count=1)))
    return candidates, training_groups(qrels, chosen.negatives)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> ScorerStore:
    folder = write_cross_encoder(tmp_path_factory.mktemp("cross"), TEXTS)
    return ScorerStore(CrossEncoderSettings(model=str(folder), scores="probability"), ModelFolder(folder))


def inputs(model: Any, mined: tuple[Candidates, TrainingSet], **others: Any) -> CetInputs:
    return CetInputs(model, mined[1], mined[0], TINY.corpus, TINY.queries, **others)


def test_both_scorers_are_stored_and_score_the_candidates(
    cross: ScorerStore, mined: tuple[Candidates, TrainingSet], tmp_path: Path
) -> None:
    out = cet(SETTINGS, inputs(cross, mined), Context(tmp_path / "a", RESOURCES))
    rows = [row for row in out.candidates.rows() if row.source == "bm25"]
    scores: dict[str, dict[tuple[str, str], float]] = {}
    for row in rows:
        scores.setdefault(row.scorer, {})[row.query_id, row.doc_id] = float(row.score or 0.0)
    pairs = sorted(scores["bm25"])
    texts = [(TINY.queries.select([q]).texts()[0], TINY.corpus.select([d]).texts()[0]) for q, d in pairs]
    found = {}
    for name, store in (("relevance", out.scorer), ("selection", out.selection)):
        (tmp_path / name).mkdir()
        store.save(tmp_path / name)
        found[name] = np.asarray(ScorerStore.open(tmp_path / name).ready(RESOURCES).score(texts))
        assert np.allclose(found[name], [scores[f"cet-{name}"][pair] for pair in pairs], atol=1e-5)
    f, g = np.exp(found["relevance"] / 2), np.exp(found["selection"] / 2)
    assert np.allclose([scores["cet-weight"][pair] for pair in pairs], 1 + g, rtol=1e-4)
    assert np.allclose([scores["cet-false-negative"][pair] for pair in pairs], f / (1 + f + g), rtol=1e-4)
    assert -1 <= out.candidates.metadata["cet"]["cet"]["correlation"] <= 1
    assert "epoch-loss" in {entry.name for entry in out.log.rows()}
    card = (tmp_path / "selection" / "model" / "README.md").read_text()
    assert "it is no reranker" in card
    assert "Outside a pipeline: nothing is known of it." in card


def test_a_language_model_is_refused(mined: tuple[Candidates, TrainingSet], tmp_path: Path) -> None:
    folder = write_causal_model(tmp_path / "causal", TEXTS)
    store = ScorerStore(YesNoSettings(model=str(folder)), ModelFolder(folder))
    with pytest.raises(StageError, match=r"its two copies would stay the same; start from a cross-encoder"):
        cet(SETTINGS, inputs(store, mined), Context(tmp_path / "a", RESOURCES))


def test_dev_wants_a_ranking(cross: ScorerStore, mined: tuple[Candidates, TrainingSet], tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"cet: dev judgements and a ranking for them belong together"):
        cet(SETTINGS, inputs(cross, mined, dev=TINY.split("dev")), Context(tmp_path / "a", RESOURCES))
