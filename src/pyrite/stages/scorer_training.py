"""What the stages that train models of pairs share: how the start is loaded, and what measures an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pyrite.data import Corpus, Qrels, Queries, Run
from pyrite.errors import StageError
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, YesNoSettings
from pyrite.models.scorers import load_scorer
from pyrite.pipeline.context import Context
from pyrite.recipes.dev import DevCandidates, DevSettings
from pyrite.stages.scorers import ScorerStore
from pyrite.train import Dev

__all__ = ["DevInputs", "RerankedDev", "dev_measure", "start_settings"]


class RerankedDev(DevSettings):
    """What decides between the epochs of a model that scores pairs."""

    dev_measure: str = "nDCG@10"
    """What the best epoch is chosen by, where there are dev judgements and candidates."""
    dev_depth: int = Field(default=50, ge=1)
    """How many of the candidates of a dev query are ordered anew; at least the measure's cut-off."""


@dataclass(frozen=True, slots=True)
class DevInputs:
    """What an epoch is measured on: dev judgements and a ranking, or neither."""

    corpus: Corpus
    queries: Queries
    dev: Qrels | None
    candidates: Run | None


def start_settings(
    kind: str, model: ScorerStore | ModelFolder, max_length: int | None
) -> CrossEncoderSettings | YesNoSettings:
    """Return how the model in the store is loaded.

    Args:
        kind: The stage, for the message.
        model: A scorer, or an encoder.
        max_length: The trainer's, or None for the model's own.

    Raises:
        StageError: It is an endpoint.
    """
    if isinstance(model, ModelFolder):
        model.check_trainable()
        start: CrossEncoderSettings | YesNoSettings = CrossEncoderSettings(model=str(model.path))
    elif model.model is None or isinstance(model.settings, EndpointSettings):
        raise StageError(f"{kind}: an endpoint has no weights to train; start from a model that runs here")
    else:
        start = model.settings.model_copy(update={"model": str(model.model.path), "revision": None})
    return start if max_length is None else start.model_copy(update={"max_length": max_length})


def dev_measure(
    kind: str,
    settings: RerankedDev,
    inputs: DevInputs,
    start: CrossEncoderSettings | YesNoSettings,
    context: Context,
) -> Dev | None:
    """Return what measures a checkpoint on the dev queries, or None where there are none.

    Raises:
        StageError: Only one of judgements and ranking is there.
    """
    if (inputs.dev is None) != (inputs.candidates is None):
        raise StageError(f"{kind}: dev judgements and a ranking for them belong together; give both, or none of them")
    if inputs.dev is None or inputs.candidates is None or len(inputs.dev) == 0:
        return None
    asked = DevCandidates(
        inputs.corpus, inputs.queries, inputs.dev, inputs.candidates, settings.dev_measure, settings.dev_depth
    )

    def value(folder: Path) -> float:
        return asked.value(load_scorer(start.model_copy(update={"model": str(folder)}), context.resources.device))

    return value
