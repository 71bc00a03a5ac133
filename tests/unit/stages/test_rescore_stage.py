from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from pyrite.data import Candidates
from pyrite.errors import StageError
from pyrite.mining import collect_candidates
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, YesNoSettings
from pyrite.pipeline.context import Context, Resources
from pyrite.pipeline.events import Event
from pyrite.search import LexicalRetriever
from pyrite.stages.rescore import RescoreInputs, RescoreSettings, rescore
from pyrite.stages.scorer import ScorerInputs, ScorerStageSettings, scorer
from pyrite.stages.scorers import ScorerStore
from pyrite.testing.models import write_causal_model, write_cross_encoder
from pyrite.testing.tiny import tiny_collection

TINY = tiny_collection()
TEXTS = [*TINY.corpus.texts(), *TINY.queries.texts()]
INDEX = LexicalRetriever().build(TINY.corpus)
RESOURCES = Resources(device="cpu", shard_size=10)


@pytest.fixture(scope="module")
def candidates() -> Candidates:
    return collect_candidates({"bm25": INDEX}, TINY.queries, TINY.splits["train"], depth=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("cross"), TEXTS)


def stored(named: object, workdir: Path) -> ScorerStore:
    """Run the stage, save what it gives and open it again."""
    made: ScorerStore = scorer(ScorerStageSettings(scorer=named), ScorerInputs(), Context(workdir)).scorer
    (workdir / "saved").mkdir(parents=True)
    made.save(workdir / "saved")
    opened = ScorerStore.open(workdir / "saved")
    assert opened.fingerprint() == made.fingerprint()
    return opened


def test_a_stored_cross_encoder_scores_as_its_folder(candidates: Candidates, folder: Path, tmp_path: Path) -> None:
    settings = CrossEncoderSettings(model=str(folder), scores="probability")
    model = stored(settings, tmp_path / "a")
    inputs = RescoreInputs(candidates, TINY.queries, model=model, corpus=TINY.corpus)
    out = rescore(RescoreSettings(scorer="cross"), inputs, Context(tmp_path / "b", RESOURCES)).candidates
    assert out.metadata["scorers"] == {"bm25": "bm25", "cross": "probability"}
    rows = [row for row in out.rows() if row.scorer == "cross"]
    queries = dict(zip(TINY.queries.ids(), TINY.queries.texts(), strict=True))
    documents = dict(zip(TINY.corpus.ids(), TINY.corpus.texts(), strict=True))
    expected = CrossEncoderScorer.load(settings, device="cpu").score(
        [(queries[row.query_id], documents[row.doc_id]) for row in rows]
    )
    assert len(rows) == len(candidates)
    assert np.allclose([row.score for row in rows], expected, atol=1e-6)


def test_a_kill_costs_one_shard(
    candidates: Candidates, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stored(CrossEncoderSettings(model=str(folder)), tmp_path / "a")
    inputs = RescoreInputs(candidates, TINY.queries, model=model, corpus=TINY.corpus)
    settings = RescoreSettings(scorer="cross")
    whole = rescore(settings, inputs, Context(tmp_path / "whole", RESOURCES)).candidates
    score, calls = CrossEncoderScorer.score, Counter[str]()

    def breaks(self: CrossEncoderScorer, pairs: list[tuple[str, str]]) -> np.ndarray:
        calls["pairs"] += len(pairs)
        if calls["pairs"] > 20:
            raise KeyboardInterrupt
        return score(self, pairs)

    monkeypatch.setattr(CrossEncoderScorer, "score", breaks)
    with pytest.raises(KeyboardInterrupt):
        rescore(settings, inputs, Context(tmp_path / "killed", RESOURCES))
    calls["pairs"] = -1000
    events: list[Event] = []
    context = Context(tmp_path / "killed", RESOURCES, observe=events.append)
    out = rescore(settings, inputs, context).candidates
    assert calls["pairs"] + 1000 == len(candidates) - 20
    assert out.arrow.equals(whole.arrow)
    assert sum(event.kind == "shard-finished" for event in events) == -(-(len(candidates) - 20) // 10)


def test_a_language_model_and_an_endpoint_are_stored(tmp_path: Path) -> None:
    causal = write_causal_model(tmp_path / "causal", TEXTS)
    named = YesNoSettings(model=str(causal), template="{query} {document}", yes=("yes",), no=("no",))
    model = stored(named, tmp_path / "a")
    assert np.isfinite(model.ready(RESOURCES).score([("gold", "pyrite")])).all()
    endpoint = stored(EndpointSettings(base_url="http://localhost:1"), tmp_path / "b")
    assert endpoint.model is None
    assert endpoint.summary() == {"type": "endpoint", "model": None}


def test_the_path_of_a_model_is_no_content(folder: Path, tmp_path: Path) -> None:
    moved = write_cross_encoder(tmp_path / "moved", TEXTS)
    one = stored(CrossEncoderSettings(model=str(folder)), tmp_path / "a")
    two = stored(CrossEncoderSettings(model=str(moved)), tmp_path / "b")
    three = stored(CrossEncoderSettings(model=str(folder), precision="bf16"), tmp_path / "c")
    assert one.fingerprint() == two.fingerprint() != three.fingerprint()


def test_what_scores_has_to_be_said(candidates: Candidates, folder: Path, tmp_path: Path) -> None:
    model = stored(CrossEncoderSettings(model=str(folder)), tmp_path / "a")
    settings, context = RescoreSettings(scorer="x"), Context(tmp_path / "b", RESOURCES)
    for wrong in ({}, {"index": INDEX, "model": model, "corpus": TINY.corpus}):
        with pytest.raises(StageError, match="either `index` or `model`"):
            rescore(settings, RescoreInputs(candidates, TINY.queries, **wrong), context)
    with pytest.raises(StageError, match="give `corpus`"):
        rescore(settings, RescoreInputs(candidates, TINY.queries, model=model), context)
