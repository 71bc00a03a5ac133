from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import TrainingGroup, TrainingSet
from pyrite.data.groups import training_groups
from pyrite.errors import StageError
from pyrite.mining import HardNegativeMiner, TopSampler
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.models.yes_no import YesNoScorer
from pyrite.pipeline.context import Context, Resources
from pyrite.search import LexicalRetriever
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.teacher_scores import TeacherScoresInputs, TeacherScoresSettings, teacher_scores
from pyrite.testing.models import write_causal_model, write_cross_encoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
RESOURCES = Resources(device="cpu", shard_size=10)
PLAIN = TeacherScoresSettings()


@pytest.fixture(scope="module")
def groups() -> TrainingSet:
    miner = HardNegativeMiner([LexicalRetriever()], sampler=TopSampler(count=3))
    mined = miner.mine(TINY.corpus, TINY.queries, TINY.splits["train"], depth=10)
    return training_groups(TINY.splits["train"], mined.negatives)


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> ScorerStore:
    folder = write_cross_encoder(tmp_path_factory.mktemp("cross"), TEXTS)
    return ScorerStore(CrossEncoderSettings(model=str(folder)), ModelFolder(folder))


def pairs_of(groups: TrainingSet) -> list[tuple[str, str]]:
    return [(group.query_id, d) for group in groups.rows() for d in (*group.positive_ids, *group.negative_ids)]


def scores_of(groups: TrainingSet) -> list[float | None]:
    return [score for group in groups.rows() for score in group.teacher_scores]


def texts_of(groups: TrainingSet) -> list[tuple[str, str]]:
    queries = dict(zip(TINY.queries.ids(), TINY.queries.texts(), strict=True))
    documents = dict(zip(TINY.corpus.ids(), TINY.corpus.texts(), strict=True))
    return [(queries[query_id], documents[doc_id]) for query_id, doc_id in pairs_of(groups)]


def test_a_cross_encoder_teaches_what_it_scores(groups: TrainingSet, cross: ScorerStore, tmp_path: Path) -> None:
    inputs = TeacherScoresInputs(cross, groups, TINY.corpus, TINY.queries)
    taught = teacher_scores(PLAIN, inputs, Context(tmp_path, RESOURCES)).training_set
    expected = CrossEncoderScorer.load(cross.settings, device="cpu").score(texts_of(groups))
    assert np.allclose(scores_of(taught), expected, atol=1e-6)
    assert taught.metadata["teacher"] == {"score_kind": "logit"}


def test_a_judge_teaches_probabilities(groups: TrainingSet, tmp_path: Path) -> None:
    folder = write_causal_model(tmp_path / "causal", TEXTS)
    named = YesNoSettings(model=str(folder), template="{query} {document}", yes=("yes",), no=("no",))
    inputs = TeacherScoresInputs(ScorerStore(named, ModelFolder(folder)), groups, TINY.corpus, TINY.queries)
    settings = TeacherScoresSettings(probabilities=True, negatives=1)
    taught = teacher_scores(settings, inputs, Context(tmp_path / "work", RESOURCES)).training_set
    odds = YesNoScorer.load(named, device="cpu").score(texts_of(groups))
    missing = [place for group in groups.rows() for place in [False] * len(group.positive_ids) + _left_out(group)]
    expected = [None if left else 1 / (1 + np.exp(-odd)) for odd, left in zip(odds, missing, strict=True)]
    assert any(missing)
    assert scores_of(taught) == pytest.approx(expected, abs=1e-6)
    assert taught.metadata["teacher"] == {"score_kind": "probability"}


def _left_out(group: TrainingGroup) -> list[bool]:
    return [place >= 1 for place in range(len(group.negative_ids))]


def test_an_index_teaches_its_own_scores(groups: TrainingSet, tmp_path: Path) -> None:
    index = LexicalRetriever().build(TINY.corpus)
    inputs = TeacherScoresInputs(index, groups, TINY.corpus, TINY.queries)
    taught = teacher_scores(PLAIN, inputs, Context(tmp_path, RESOURCES)).training_set
    runs = index.search(TINY.queries, len(TINY.corpus)).by_query()
    found = {(query_id, hit.doc_id): hit.score for query_id, hits in runs.items() for hit in hits}
    assert np.allclose(scores_of(taught), [found.get(pair, 0.0) for pair in pairs_of(groups)])
    with pytest.raises(StageError, match="wants a scorer that gives logits; this one's scores are of the kind 'bm25'"):
        teacher_scores(TeacherScoresSettings(probabilities=True), inputs, Context(tmp_path, RESOURCES))


def test_a_kill_costs_one_shard(
    groups: TrainingSet, cross: ScorerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = TeacherScoresInputs(cross, groups, TINY.corpus, TINY.queries)
    whole = teacher_scores(PLAIN, inputs, Context(tmp_path / "whole", RESOURCES)).training_set
    score, calls, limit = CrossEncoderScorer.score, Counter[str](), 10

    def breaks(self: CrossEncoderScorer, pairs: list[tuple[str, str]]) -> np.ndarray:
        if calls["pairs"] + len(pairs) > limit:
            raise KeyboardInterrupt
        calls["pairs"] += len(pairs)
        return score(self, pairs)

    monkeypatch.setattr(CrossEncoderScorer, "score", breaks)
    with pytest.raises(KeyboardInterrupt):
        teacher_scores(PLAIN, inputs, Context(tmp_path / "killed", RESOURCES))
    limit = 1000
    resumed = teacher_scores(PLAIN, inputs, Context(tmp_path / "killed", RESOURCES)).training_set
    assert calls["pairs"] == len(set(pairs_of(groups)))
    assert resumed.arrow.equals(whole.arrow)
