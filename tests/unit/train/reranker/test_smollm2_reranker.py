"""A real language model of 135 million parameters learns UniME-V2's two questions, with adapters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pyrite.data.groups import training_groups
from pyrite.mining import HardNegativeMiner, TopSampler
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.yes_no import YesNoScorer
from pyrite.search import LexicalRetriever
from pyrite.testing import tiny_collection
from pyrite.train import LoraSettings, RerankerTrainer, TrainingJob, TrainingTexts, train_reranker
from pyrite.train.reranker.objectives import PairAndList

TINY = tiny_collection()


@pytest.mark.slow
def test_pair_and_list_is_learnt_and_saved_merged(smollm2: Path, tmp_path: Path) -> None:
    mined = HardNegativeMiner([LexicalRetriever()], sampler=TopSampler(count=2)).mine(
        TINY.corpus, TINY.queries, TINY.split("train"), depth=10
    )
    groups = training_groups(TINY.split("train"), mined.negatives)
    start = YesNoSettings(model=str(smollm2), max_length=128, precision="bf16")
    settings = RerankerTrainer(
        objective=PairAndList(),
        epochs=3,
        batch_size=4,
        learning_rate=1e-3,
        precision="bf16",
        lora=LoraSettings(rank=4),
    )
    job = TrainingJob(tmp_path, device="cpu", trackers=())
    result = train_reranker(start, groups, TrainingTexts(TINY.corpus, TINY.queries), settings, job=job)
    losses = [entry.value for entry in result.log.rows() if entry.name == "epoch-loss"]
    assert losses[-1] < 0.8 * losses[0]
    pairs = [(TINY.queries.texts()[0], document) for document in TINY.corpus.texts()[:4]]
    before, after = (
        YesNoScorer.load(start.model_copy(update={"model": str(model)}), device="cpu").score(pairs)
        for model in (smollm2, result.folder)
    )
    assert np.isfinite(after).all()
    assert np.abs(after - before).max() > 0.1
