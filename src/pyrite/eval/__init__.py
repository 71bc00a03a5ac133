"""Measure rankings, and compare the systems that gave them."""

from pyrite.eval.compare import against, average_seeds, compare
from pyrite.eval.retrieval import evaluate, evaluate_index

__all__ = ["against", "average_seeds", "compare", "evaluate", "evaluate_index"]
