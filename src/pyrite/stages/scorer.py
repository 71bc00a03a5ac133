"""Bring a scorer into the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, ScorerSettings, YesNoSettings
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings
from pyrite.stages.scorers import ScorerStore

__all__ = ["ScorerInputs", "ScorerOutputs", "ScorerStageSettings", "scorer"]


class ScorerStageSettings(Settings):
    """Which scorer."""

    scorer: ScorerSettings
    """The scorer by its `type`: `cross-encoder`, `llm-yes-no` or `endpoint`."""


@dataclass(frozen=True)
class ScorerInputs:
    """None."""


@dataclass(frozen=True)
class ScorerOutputs:
    """The scorer with its weights; an endpoint has none."""

    scorer: ScorerStore


@stage("scorer", version=1)
def scorer(settings: ScorerStageSettings, inputs: ScorerInputs, context: Context) -> ScorerOutputs:
    """Bring a model that scores a query and a document together into the store, for `rescore`."""
    named = settings.scorer
    if isinstance(named, EndpointSettings):
        return ScorerOutputs(ScorerStore(named, None))
    folder = context.workdir / "model"
    _save(named, folder)
    return ScorerOutputs(ScorerStore(named, ModelFolder(folder, disposable=True)))


def _save(named: CrossEncoderSettings | YesNoSettings, folder: Path) -> None:
    """Load the model, which shows that it is one, and write it."""
    if isinstance(named, CrossEncoderSettings):
        from pyrite.models.cross_encoder import load_cross_encoder

        load_cross_encoder(named).save_pretrained(str(folder), create_model_card=False)
        return
    from pyrite.models.question import answer_tokens
    from pyrite.models.yes_no import load_causal_model

    network, tokenizer = load_causal_model(named)
    answer_tokens(tokenizer, named)
    network.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
