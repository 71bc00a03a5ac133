"""From a folder or settings to what estimates false negatives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pyrite.models.folder import find_folder
from pyrite.models.protocols import PairScorer
from pyrite.models.scorer_settings import CrossEncoderSettings, ScorerSettings
from pyrite.models.scorers import load_scorer
from pyrite.recipes.audit.false_negatives import EncoderScorer
from pyrite.settings import Json, Settings, parse_settings

__all__ = ["is_cross_encoder", "load_judge"]

_HEAD = "ForSequenceClassification"


class _Judge(Settings):
    """A scorer, validated as a setting."""

    scorer: ScorerSettings
    """The scorer by its `type`."""


def load_judge(given: str | Mapping[str, Json], device: str = "auto") -> PairScorer:
    """Load a scorer.

    Args:
        given: A folder, which is a cross-encoder where its configuration says so, else an encoder; the name of an
            encoder on the hub; or the settings of any scorer, such as {"type": "cross-encoder", "model": ...}.
        device: Where it runs.

    Raises:
        ModelError: It cannot be loaded.
        SettingsError: The name is a path and no folder is there, or the settings are none.
    """
    if not isinstance(given, str):
        return load_scorer(parse_settings(_Judge, {"scorer": given}, "--scorer").scorer, device)
    if is_cross_encoder(find_folder(given)):
        return load_scorer(CrossEncoderSettings(model=given), device)
    from pyrite.models.sentence_encoder import SentenceEncoder

    return EncoderScorer(SentenceEncoder.load(given, device=device))


def is_cross_encoder(folder: Path | None) -> bool:
    """Say whether a folder holds a cross-encoder, as its configuration has it; None, a name on the hub, does not."""
    config = None if folder is None else folder / "config.json"
    if config is None or not config.is_file():
        return False
    architectures = json.loads(config.read_text(encoding="utf-8")).get("architectures") or []
    return any(str(name).endswith(_HEAD) for name in architectures)
