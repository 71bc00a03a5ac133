"""Bring an encoder into the store."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Corpus, Queries
from pyrite.models.folder import ModelFolder
from pyrite.models.settings import EncoderSettings
from pyrite.models.stored import bring_encoder
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage
from pyrite.settings import Settings

__all__ = ["ModelInputs", "ModelOutputs", "ModelSettings", "model"]


class ModelSettings(Settings):
    """Which encoder."""

    encoder: EncoderSettings
    """The encoder by its `type`: `sentence-transformers` (a folder or a name on the hub), `causal-lm` (a language
    model), `wordllama`, `openai` (a server) or `precomputed` (vectors made elsewhere)."""


@dataclass(frozen=True)
class ModelInputs:
    """The texts that precomputed vectors belong to; none for other encoders."""

    corpus: Corpus | None = None
    queries: Queries | None = None


@dataclass(frozen=True)
class ModelOutputs:
    """The encoder, its prompts and maximum length written into its configuration."""

    model: ModelFolder


@stage("model", version=1)
def model(settings: ModelSettings, inputs: ModelInputs, context: Context) -> ModelOutputs:
    """Bring an encoder into the store, with the prompts it is to be used with."""
    return ModelOutputs(bring_encoder(settings.encoder, context.workdir / "model", inputs.corpus, inputs.queries))
