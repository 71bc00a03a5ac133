"""Ranking measures and the statistics that compare them."""

from pyrite.metrics.ranking import DEFAULT_MEASURES, canonical_measure, measure_run, short_name
from pyrite.metrics.significance import bootstrap_interval, randomisation_test

__all__ = [
    "DEFAULT_MEASURES",
    "bootstrap_interval",
    "canonical_measure",
    "measure_run",
    "randomisation_test",
    "short_name",
]
