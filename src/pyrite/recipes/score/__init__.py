"""What sets of negatives are worth, told before anything is trained: measured, and ranked against each other."""

from pyrite.recipes.score.judges import JudgedPairs
from pyrite.recipes.score.material import EncodedTexts, Material, Texts
from pyrite.recipes.score.measures import MEASURES, measure_set
from pyrite.recipes.score.ranking import rank_sets
from pyrite.recipes.score.scoring import Scored, score_sets
from pyrite.recipes.score.sets import NamedSets
from pyrite.recipes.score.settings import ScoreSettings

__all__ = [
    "MEASURES",
    "EncodedTexts",
    "JudgedPairs",
    "Material",
    "NamedSets",
    "ScoreSettings",
    "Scored",
    "Texts",
    "measure_set",
    "rank_sets",
    "score_sets",
]
