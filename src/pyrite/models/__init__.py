"""Models behind small protocols: encoders now; cross-encoders and language models beside them."""

from pyrite.models.protocols import Encoder, PairScorer, Role
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.models.settings import EncoderSettings

__all__ = ["Encoder", "EncoderSettings", "PairScorer", "Role", "SentenceEncoder"]
