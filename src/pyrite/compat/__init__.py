"""Stand-ins for functions of other libraries: their signatures and results, made of Pyrite's parts."""

from pyrite.compat.hard_negatives import mine_hard_negatives

__all__ = ["mine_hard_negatives"]
