"""For tests and examples: a tiny collection, and checks that a plug-in keeps its protocol."""

from pyrite.testing.conformance import check_encoder, check_index, check_pair_scorer, check_retriever
from pyrite.testing.tiny import tiny_collection

__all__ = ["check_encoder", "check_index", "check_pair_scorer", "check_retriever", "tiny_collection"]
