"""Mining and training in turn."""

from pyrite.recipes.rounds.loop import SOURCE, RoundsData, RoundsResult, train_in_rounds
from pyrite.recipes.rounds.settings import RoundsSettings

__all__ = ["SOURCE", "RoundsData", "RoundsResult", "RoundsSettings", "train_in_rounds"]
