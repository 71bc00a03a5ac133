"""Which negatives to train with, found without training: a search over selections by a score of negatives."""

from pyrite.recipes.recommend.plans import Plan
from pyrite.recipes.recommend.search import QueryValues, Recommended, Trial, everything, measured_by, recommend
from pyrite.recipes.recommend.settings import Draw, RecommendSettings

__all__ = [
    "Draw",
    "Plan",
    "QueryValues",
    "RecommendSettings",
    "Recommended",
    "Trial",
    "everything",
    "measured_by",
    "recommend",
]
