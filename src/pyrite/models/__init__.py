"""Models behind small protocols: encoders, and scorers of pairs."""

from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.endpoint import EndpointEncoder
from pyrite.models.precomputed import PrecomputedVectors
from pyrite.models.protocols import Encoder, PairScorer, Role
from pyrite.models.rerank_endpoint import RerankEndpoint
from pyrite.models.scorer_settings import CrossEncoderSettings, EndpointSettings, ScorerSettings, YesNoSettings
from pyrite.models.scorers import load_scorer
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.models.settings import EncoderSettings
from pyrite.models.yes_no import YesNoScorer

__all__ = [
    "CrossEncoderScorer",
    "CrossEncoderSettings",
    "Encoder",
    "EncoderSettings",
    "EndpointEncoder",
    "EndpointSettings",
    "PairScorer",
    "PrecomputedVectors",
    "RerankEndpoint",
    "Role",
    "ScorerSettings",
    "SentenceEncoder",
    "YesNoScorer",
    "YesNoSettings",
    "load_scorer",
]
