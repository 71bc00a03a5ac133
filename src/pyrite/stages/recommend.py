"""Find negatives to train with, without training."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Candidates, Corpus, Negatives, Qrels, Queries, SetRanking
from pyrite.errors import StageError
from pyrite.mining import Selection
from pyrite.models.folder import ModelFolder
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.recipes.recommend import Recommended, RecommendSettings, everything
from pyrite.recipes.recommend import recommend as search
from pyrite.recipes.score import JudgedPairs, Material, NamedSets, Texts
from pyrite.settings import Json
from pyrite.stages.artifacts import DenseStore, Recommendation
from pyrite.stages.encoded import encoded_texts, judged_by_encoder, one_encoder

__all__ = ["RecommendInputs", "RecommendOutputs", "recommend"]

_INPUTS = {
    "candidates": "rescore.candidates",
    "corpus": "data.corpus",
    "queries": "data.queries",
    "qrels": "data.train",
}


@dataclass(frozen=True)
class RecommendInputs:
    """The candidates with the scores that filters and a judge want, their collection, and the encoder that scores.

    The encoder is the index of the corpus, or a model; the judge another one. A cross-encoder judges by its scores
    among the candidates, `judge_scorer`.
    """

    candidates: Candidates
    corpus: Corpus
    queries: Queries
    qrels: Qrels
    index: DenseStore | None = None
    model: ModelFolder | None = None
    judge: DenseStore | ModelFolder | None = None


@dataclass(frozen=True)
class RecommendOutputs:
    """The step to put into a pipeline, what it draws, and the finalists in order."""

    recommendation: Recommendation
    negatives: Negatives
    ranking: SetRanking


@stage("recommend", version=1)
def recommend(settings: RecommendSettings, inputs: RecommendInputs, context: Context) -> RecommendOutputs:
    """Search mixtures, filters, ranks and set sizes for negatives that score best; nothing is trained."""
    sets = everything(inputs.candidates, inputs.qrels, settings.grade_threshold)
    texts = Texts(inputs.corpus, inputs.queries)
    texts.check(sets)
    encoded = encoded_texts(one_encoder(inputs.index, inputs.model, "recommend"), "texts", sets, texts, context)
    material = Material.gather(sets, texts, encoded, _judge(settings, inputs, sets, texts, context), settings)
    with context.progress("recommend", None, "selections") as advance:
        found = search(inputs.candidates, texts, inputs.qrels, material, settings, advance=advance)
    return RecommendOutputs(_told(found), found.negatives, found.ranking)


def _judge(
    settings: RecommendSettings, inputs: RecommendInputs, sets: NamedSets, texts: Texts, context: Context
) -> JudgedPairs | None:
    if settings.judge_scorer is not None and inputs.judge is not None:
        raise StageError("recommend: `judge` and `judge_scorer` both say who judges; give one of them")
    if settings.judge_scorer is not None:
        return JudgedPairs.stored(sets, inputs.candidates, settings.judge_scorer)
    return None if inputs.judge is None else judged_by_encoder(inputs.judge, settings.judge, sets, texts, context)


def _told(found: Recommended) -> Recommendation:
    step = {"stage": "select", "settings": _plain(found.selection), "inputs": dict(_INPUTS)}
    trials = [{"step": one.step, "value": one.value, "settings": _plain(one.selection)} for one in found.trials]
    return Recommendation(step, trials, dict(found.left_out))


def _plain(selection: Selection) -> dict[str, Json]:
    """Return what differs from the defaults, filters and sampler whole, so that each keeps its type."""
    usual = Selection().model_dump(mode="json")
    return {name: value for name, value in selection.model_dump(mode="json").items() if value != usual[name]}
