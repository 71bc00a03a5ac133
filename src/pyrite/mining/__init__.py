"""Mine hard negatives: candidates from many sources, filters that say what they drop, samplers.

`HardNegativeMiner` is the whole of it in one call. Its two halves stand alone as well: searching
(`collect_candidates`, slow, once) and choosing (`select_negatives`, fast, often).
"""

from pyrite.mining.audit import Audit, audit
from pyrite.mining.calibration import Calibration, calibrate
from pyrite.mining.candidates import collect_candidates
from pyrite.mining.cet import CetLight, cet_light
from pyrite.mining.filters import (
    CeilingFilter,
    FilterSettings,
    JudgedFilter,
    LeakageFilter,
    MarginFilter,
    NearDuplicateFilter,
    RankWindow,
    ScoreFloor,
    ShareFilter,
)
from pyrite.mining.leakage import LeakingQuery, leaking_queries
from pyrite.mining.miner import HardNegativeMiner, MiningResult
from pyrite.mining.samplers import (
    CetSampler,
    SamplerSettings,
    SimansSampler,
    StratifiedSampler,
    TopSampler,
    UniformSampler,
)
from pyrite.mining.selection import Masking, Selection, select_negatives

__all__ = [
    "Audit",
    "Calibration",
    "CeilingFilter",
    "CetLight",
    "CetSampler",
    "FilterSettings",
    "HardNegativeMiner",
    "JudgedFilter",
    "LeakageFilter",
    "LeakingQuery",
    "MarginFilter",
    "Masking",
    "MiningResult",
    "NearDuplicateFilter",
    "RankWindow",
    "SamplerSettings",
    "ScoreFloor",
    "Selection",
    "ShareFilter",
    "SimansSampler",
    "StratifiedSampler",
    "TopSampler",
    "UniformSampler",
    "audit",
    "calibrate",
    "cet_light",
    "collect_candidates",
    "leaking_queries",
    "select_negatives",
]
