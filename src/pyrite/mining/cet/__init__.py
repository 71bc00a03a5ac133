"""The light variant of the coupled estimation technique: what the pool hid, estimated from the candidates' scores."""

from pyrite.mining.cet.light import CetLight, cet_light
from pyrite.mining.cet.pairs import CandidatePairs
from pyrite.mining.cet.scores import CetScores, with_cet_scores

__all__ = ["CandidatePairs", "CetLight", "CetScores", "cet_light", "with_cet_scores"]
