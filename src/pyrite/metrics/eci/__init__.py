"""Effective Contrastive Information: what a set of negatives has to teach, told without training.

The two versions of the paper define different measures and come to opposite conclusions, so that there is no "ECI"
here: there are `eci_v1` and `eci_sem`, and both are reconstructions.
"""

from pyrite.metrics.eci.sem import EciSem, EciSemValues, eci_sem
from pyrite.metrics.eci.v1 import EciV1, EciV1Values, eci_v1

__all__ = ["EciSem", "EciSemValues", "EciV1", "EciV1Values", "eci_sem", "eci_v1"]
