"""Turn scores into probabilities of relevance, on which one threshold suits all."""

from __future__ import annotations

from dataclasses import dataclass

from pyrite.data import Candidates, Qrels
from pyrite.mining.calibration import Calibration
from pyrite.mining.calibration import calibrate as with_probabilities
from pyrite.pipeline.context import Context
from pyrite.pipeline.stage import stage

__all__ = ["CalibrateInputs", "CalibrateOutputs", "calibrate"]


@dataclass(frozen=True)
class CalibrateInputs:
    """The candidates, scored by the scorer, and the judgements that say what is relevant."""

    candidates: Candidates
    qrels: Qrels


@dataclass(frozen=True)
class CalibrateOutputs:
    """The candidates with the probabilities as one more scorer, and how reliable these are in the metadata."""

    candidates: Candidates


@stage("calibrate", version=1)
def calibrate(settings: Calibration, inputs: CalibrateInputs, context: Context) -> CalibrateOutputs:
    """Turn a scorer's scores into probabilities of relevance, on which one threshold suits all."""
    return CalibrateOutputs(with_probabilities(inputs.candidates, inputs.qrels, settings))
