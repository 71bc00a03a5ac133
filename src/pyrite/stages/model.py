"""Bring an encoder into the store."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.models.folder import ModelFolder
from pyrite.models.settings import EncoderSettings
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings

__all__ = ["ModelInputs", "ModelOutputs", "ModelSettings", "model"]


class ModelSettings(Settings):
    """Which encoder."""

    encoder: EncoderSettings
    """The encoder by its `type`: `sentence-transformers` (a folder or a name on the hub) or `wordllama`."""


@dataclass(frozen=True)
class ModelInputs:
    """None."""


@dataclass(frozen=True)
class ModelOutputs:
    """The encoder, its prompts and maximum length written into its configuration."""

    model: ModelFolder


@stage("model", version=1)
def model(settings: ModelSettings, inputs: ModelInputs, context: Context) -> ModelOutputs:
    """Bring an encoder into the store, with the prompts it is to be used with."""
    from pyrite.models.sentence_encoder import load_sentence_transformer, save_model

    folder = context.workdir / "model"
    save_model(load_sentence_transformer(settings.encoder), folder)
    return ModelOutputs(ModelFolder(folder, disposable=True))
