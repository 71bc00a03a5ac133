"""What is measured of sets of negatives, and how they are ranked."""

from __future__ import annotations

from pydantic import Field

from pyrite.metrics.eci import EciSem, EciV1
from pyrite.search.lexical.analysis import Analysis
from pyrite.settings import Settings

__all__ = ["ScoreSettings"]


class ScoreSettings(Settings):
    """What is measured, and how sets are ranked."""

    rank_by: str | None = None
    """The measure that orders the sets. Where empty: `judged_hardness` with a judge, `eci_sem` without."""
    eci_v1: EciV1 = EciV1()
    """The choices in `eci_v1`."""
    eci_sem: EciSem = EciSem()
    """The choices in `eci_sem`."""
    tolerance: float = Field(default=0.0, ge=0)
    """How near a positive's score a negative's has to come to be estimated false, on the scorer's scale."""
    lexical: bool = True
    """Whether words count: lexical residuality in `eci_sem`, and the lexical overlap."""
    analysis: Analysis = Analysis()
    """How texts become words: as the lexical index has it."""
    encoder: str = "encoder"
    """What to call the encoder that scores; the report names it beside every score."""
    judge: str = "judge"
    """What to call the judge. Without a judge of its own, the scorer whose scores in the candidates judge."""
    taught: bool = False
    """Whether the teacher scores that training sets carry judge, where there is no other judge."""
    grade_threshold: int = Field(default=1, ge=1)
    """The lowest grade that makes a positive, for negatives that come with judgements."""
    random_documents: int = Field(default=200, ge=1)
    """How many documents are drawn for the scale `random-to-positive`."""
    rounds: int = Field(default=2000, ge=100)
    """Draws of the bootstrap over queries."""
    seed: int = Field(default=0, ge=0)
    """The seed of the draws."""
