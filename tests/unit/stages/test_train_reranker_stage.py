from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Qrels, Run, TrainingGroup, TrainingSet
from pyrite.errors import DataError, SettingsError, StageError
from pyrite.eval import evaluate
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, YesNoSettings
from pyrite.pipeline.context import Context, Resources
from pyrite.search import LexicalRetriever
from pyrite.settings import parse_settings
from pyrite.stages.rerank import RerankInputs, RerankSettings, rerank
from pyrite.stages.scorers import ScorerStore
from pyrite.stages.train_reranker import TrainRerankerInputs, TrainRerankerSettings, train_reranker
from pyrite.testing.models import write_causal_model, write_cross_encoder, write_transformer_model
from pyrite.testing.tiny import tiny_collection
from pyrite.train import RerankerTrainer

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
RESOURCES = Resources(device="cpu", shard_size=10)
TRAINER = RerankerTrainer(batch_size=3, epochs=2, learning_rate=0.01, max_length=30)
SETTINGS = TrainRerankerSettings(trainer=TRAINER)
RUN = LexicalRetriever().build(TINY.corpus).search(TINY.queries, 8)


@pytest.fixture(scope="module")
def groups() -> TrainingSet:
    """The training queries with their positives, and the first documents of the corpus that are none."""
    judged = TINY.split("train").relevant().by_query()
    ids = TINY.corpus.ids()
    return TrainingSet.from_rows(
        TrainingGroup(query_id, tuple(sorted(grades)), tuple(d for d in ids if d not in grades)[:3])
        for query_id, grades in sorted(judged.items())
    )


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> ScorerStore:
    folder = write_cross_encoder(tmp_path_factory.mktemp("cross"), TEXTS)
    return ScorerStore(CrossEncoderSettings(model=str(folder)), ModelFolder(folder))


def inputs(model: Any, groups: TrainingSet, **others: Any) -> TrainRerankerInputs:
    return TrainRerankerInputs(model, groups, TINY.corpus, TINY.queries, **others)


def test_a_trained_scorer_is_stored_and_reranks(cross: ScorerStore, groups: TrainingSet, tmp_path: Path) -> None:
    out = train_reranker(SETTINGS, inputs(cross, groups), Context(tmp_path / "a", RESOURCES))
    (tmp_path / "saved").mkdir()
    out.scorer.save(tmp_path / "saved")
    card = (tmp_path / "saved" / "model" / "README.md").read_text()
    assert f"Trained from `{cross.settings.model.rsplit('/')[-1]}`" in card
    assert card.endswith("## How its data was made\n\nOutside a pipeline: nothing is known of it.\n")
    opened = ScorerStore.open(tmp_path / "saved")
    assert opened.fingerprint() == out.scorer.fingerprint() != cross.fingerprint()
    assert opened.ready(RESOURCES).identity()["max_length"] == 30  # type: ignore[index,call-overload]
    run = rerank(
        RerankSettings(system="reranked", depth=5),
        RerankInputs(RUN, opened, TINY.corpus, TINY.queries),
        Context(tmp_path / "b", RESOURCES),
    ).run
    assert (run.scorer, str(run.score_kind)) == ("reranked", "logit")
    before = {query_id: {hit.doc_id for hit in hits[:5]} for query_id, hits in RUN.by_query().items()}
    assert {query_id: {hit.doc_id for hit in hits} for query_id, hits in run.by_query().items()} == before


def test_dev_is_the_measure_of_reranked_candidates(cross: ScorerStore, groups: TrainingSet, tmp_path: Path) -> None:
    dev = TINY.split("dev")
    out = train_reranker(SETTINGS, inputs(cross, groups, dev=dev, candidates=RUN), Context(tmp_path / "a", RESOURCES))
    values = [entry.value for entry in out.log.rows() if entry.name == "dev"]
    assert len(values) == 3
    again = RerankInputs(_judged(RUN, dev), out.scorer, TINY.corpus, TINY.queries)
    run = rerank(RerankSettings(system="x"), again, Context(tmp_path / "b", RESOURCES)).run
    assert np.isclose(evaluate(run, dev, ["nDCG@10"]).means()["nDCG@10"], max(values))


def _judged(run: Run, qrels: Qrels) -> Run:
    rows = [place for place, query in enumerate(run.column("query_id").to_pylist()) if query in qrels.query_ids()]
    return Run(run.arrow.take(rows), run.metadata)


def test_an_encoder_and_a_language_model_can_start(groups: TrainingSet, tmp_path: Path) -> None:
    encoder = ModelFolder(write_transformer_model(tmp_path / "encoder", TEXTS))
    out = train_reranker(SETTINGS, inputs(encoder, groups), Context(tmp_path / "a", RESOURCES))
    assert out.scorer.settings.type == "cross-encoder"
    folder = write_causal_model(tmp_path / "causal", TEXTS)
    named = YesNoSettings(model=str(folder), template="{query} {document}", yes=("yes",), no=("no",))
    store = ScorerStore(named, ModelFolder(folder))
    out = train_reranker(SETTINGS, inputs(store, groups), Context(tmp_path / "b", RESOURCES))
    assert out.scorer.settings.type == "llm-yes-no"
    assert np.isfinite(out.scorer.ready(RESOURCES).score([("gold", "pyrite")])).all()


def test_what_is_missing_is_said(cross: ScorerStore, groups: TrainingSet, tmp_path: Path) -> None:
    context = Context(tmp_path, RESOURCES)
    with pytest.raises(StageError, match="train-reranker: dev judgements and a ranking for them belong together"):
        train_reranker(SETTINGS, inputs(cross, groups, dev=TINY.split("dev")), context)
    others = inputs(cross, groups, dev=TINY.split("dev"), candidates=_judged(RUN, TINY.split("test")))
    with pytest.raises(DataError, match="candidates for not one of the judged queries"):
        train_reranker(SETTINGS, others, Context(tmp_path / "others", RESOURCES))
    endpoint = ScorerStore(EndpointSettings(base_url="http://localhost:1"), None)
    with pytest.raises(StageError, match="an endpoint has no weights"):
        train_reranker(SETTINGS, inputs(endpoint, groups), context)
    with pytest.raises(SettingsError, match="below the cut-off"):
        parse_settings(TrainRerankerSettings, {"dev_depth": 5}, "train-reranker")
