"""From settings to a scorer."""

from __future__ import annotations

from pyrite.models.protocols import PairScorer
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, ScorerSettings

__all__ = ["load_scorer"]


def load_scorer(settings: ScorerSettings, device: str = "auto") -> PairScorer:
    """Return the scorer that settings name, ready to score.

    Args:
        settings: A cross-encoder, a language model or an endpoint.
        device: Where a model runs; an endpoint needs none.

    Raises:
        ModelError: A model cannot be loaded, or does not fit.
        SettingsError: A path where no folder is, or a key that is not set.
    """
    if isinstance(settings, EndpointSettings):
        from pyrite.models.rerank_endpoint import RerankEndpoint

        return RerankEndpoint(settings)
    if isinstance(settings, CrossEncoderSettings):
        from pyrite.models.cross_encoder import CrossEncoderScorer

        return CrossEncoderScorer.load(settings, device=device)
    from pyrite.models.yes_no import YesNoScorer

    return YesNoScorer.load(settings, device=device)
