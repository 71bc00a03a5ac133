"""Ranking measures, the statistics that compare them, and near-duplicate texts."""

from pyrite.metrics.duplicates import (
    NearPairs,
    Resemblance,
    near_duplicate_pairs,
    near_duplicates_between,
    resemblance,
    resembles_any,
)
from pyrite.metrics.ranking import DEFAULT_MEASURES, canonical_measure, measure_run, short_name
from pyrite.metrics.significance import bootstrap_interval, bootstrap_means, randomisation_test

__all__ = [
    "DEFAULT_MEASURES",
    "NearPairs",
    "Resemblance",
    "bootstrap_interval",
    "bootstrap_means",
    "canonical_measure",
    "measure_run",
    "near_duplicate_pairs",
    "near_duplicates_between",
    "randomisation_test",
    "resemblance",
    "resembles_any",
    "short_name",
]
