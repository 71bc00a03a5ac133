"""A scorer as something that can be stored: its settings, and its weights where it has any."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import TypeAdapter

from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import PairScorer
from pyrite.models.scorer_settings import LocalScorerSettings, ScorerSettings
from pyrite.models.scorers import load_scorer
from pyrite.pipeline.context import Resources
from pyrite.settings import canonical_hash

__all__ = ["ScorerStore"]

_SETTINGS = "scorer.json"
_MODEL = "model"


@dataclass(frozen=True)
class ScorerStore:
    """A model that scores pairs of texts.

    Attributes:
        settings: How it scores; a local model's own path does not count, `model` does.
        model: The folder of its weights and tokenizer, or None for an endpoint.
    """

    settings: ScorerSettings
    model: ModelFolder | None

    kind: ClassVar[str] = "scorer"

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `save` wrote."""
        settings: ScorerSettings = TypeAdapter(ScorerSettings).validate_json((folder / _SETTINGS).read_bytes())
        return cls(settings, ModelFolder(folder / _MODEL) if (folder / _MODEL).is_dir() else None)

    def save(self, folder: Path) -> None:
        """Write the settings and the model."""
        (folder / _SETTINGS).write_text(json.dumps(self.settings.model_dump(mode="json")), encoding="utf-8")
        if self.model is not None:
            (folder / _MODEL).mkdir()
            self.model.save(folder / _MODEL)

    def fingerprint(self) -> str:
        """Return a hash of the settings and of the weights."""
        if self.model is None:
            return canonical_hash(self.settings.identity())
        fields = self.settings.model_dump(mode="json", exclude={"model", "revision"})
        return canonical_hash([fields, self.model.fingerprint()])

    def summary(self) -> dict[str, Any]:
        """Return the type, and what is known of the weights."""
        told = {} if self.model is None else self.model.summary()
        return {"type": self.settings.type, "model": self.settings.model, **told}

    def ready(self, resources: Resources) -> PairScorer:
        """Return the scorer, loaded."""
        settings = self.settings
        if self.model is not None and isinstance(settings, LocalScorerSettings):
            settings = settings.model_copy(update={"model": str(self.model.path), "revision": None})
        return load_scorer(settings, resources.device)
