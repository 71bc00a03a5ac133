"""What predicts what: each predictor against each outcome, and what was chosen on one collection confirmed on the rest.

`tasks.DEVELOPMENT` names the only collection that a score or a setting may be chosen by. A figure of any other one is a
confirmation, or none: whoever changes a score after looking at those has to find new collections.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studies.eci.predictors import BASELINE, Predictions
from studies.eci.sets import MadeSet
from studies.eci.statistics import Ceiling, ceiling, correlations, mean_outcome, spearman
from studies.eci.tasks import DEVELOPMENT
from studies.eci.trainings import Outcomes

__all__ = [
    "IN_DOMAIN",
    "TRANSFER",
    "UNSEEN",
    "Agreement",
    "Analysis",
    "Outcome",
    "Row",
    "Studied",
    "analyse",
    "chosen",
    "regret_of",
]

IN_DOMAIN = "in domain"
UNSEEN = "unseen"
TRANSFER = "transfer"
_SHOWN = 5
_FEWEST = 20


@dataclass(frozen=True)
class Studied:
    """What was done with one collection.

    Attributes:
        collection: Its name.
        sets: The sets.
        predictions: Their scores.
        outcomes: {mode: what trainings reached}.
        untrained: {target: what the trainee reached before}.
        unseen: Which of its test queries ask for no document that is a positive in training: bool, in their order.
    """

    collection: str
    sets: Sequence[MadeSet]
    predictions: Predictions
    outcomes: Mapping[str, Outcomes]
    untrained: Mapping[str, float]
    unseen: np.ndarray

    @property
    def families(self) -> list[str]:
        """The family of each set."""
        return [one.settings.family for one in self.sets]


@dataclass(frozen=True)
class Outcome:
    """One thing to predict.

    Attributes:
        collection: Whose sets.
        role: "development" or "confirming".
        mode: A key of `trainings.MODES`.
        where: `IN_DOMAIN`; `UNSEEN` for its queries that ask for documents that are no positives in training, where
            they are some and not all; or `TRANSFER` for the mean over the other targets.
        reached: Of each set: shape (sets,).
        ceiling: What noise leaves to reach.
    """

    collection: str
    role: str
    mode: str
    where: str
    reached: np.ndarray
    ceiling: Ceiling


@dataclass(frozen=True)
class Row:
    """One predictor of one outcome; intervals are 95 %, sets drawn by family unless a name says by set.

    Attributes:
        collection: Whose sets.
        role: "development" or "confirming".
        mode: A key of `trainings.MODES`.
        where: `IN_DOMAIN`, `UNSEEN` or `TRANSFER`.
        predictor: Its name.
        spearman: With the outcome, as are the others.
        low: Lower end.
        high: Upper end.
        low_by_set: Lower end.
        high_by_set: Upper end.
        kendall: tau-b.
        kendall_low: Lower end.
        kendall_high: Upper end.
        difference: Spearman's less that of plain hardness.
        difference_low: Lower end.
        difference_high: Upper end.
        difference_low_by_set: Lower end.
        difference_high_by_set: Upper end.
        share_of_ceiling: Spearman's over the noise ceiling.
        regret: What the best set reached less what the set of the highest score did.
        without: {family: Spearman's over the sets of the others}.
    """

    collection: str
    role: str
    mode: str
    where: str
    predictor: str
    spearman: float
    low: float
    high: float
    low_by_set: float
    high_by_set: float
    kendall: float
    kendall_low: float
    kendall_high: float
    difference: float
    difference_low: float
    difference_high: float
    difference_low_by_set: float
    difference_high_by_set: float
    share_of_ceiling: float
    regret: float
    without: Mapping[str, float]


@dataclass(frozen=True)
class Agreement:
    """How two scores rank the sets of a collection.

    Attributes:
        collection: Its name.
        one: A predictor.
        other: Another.
        spearman: Between the two.
        apart: (set, rank by one, rank by the other) where ranks differ most; 1 is the highest score.
    """

    collection: str
    one: str
    other: str
    spearman: float
    apart: list[tuple[str, int, int]]


@dataclass(frozen=True)
class Analysis:
    """All that was found.

    Attributes:
        outcomes: What was predicted.
        rows: Every predictor of every outcome.
        agreements: Of the two ECIs by each encoder.
    """

    outcomes: list[Outcome]
    rows: list[Row]
    agreements: list[Agreement]

    def of(self, outcome: Outcome) -> list[Row]:
        """Return the rows of an outcome, the highest Spearman first, undefined ones last."""
        key = (outcome.collection, outcome.mode, outcome.where)
        own = [row for row in self.rows if (row.collection, row.mode, row.where) == key]
        return sorted(own, key=lambda row: -row.spearman if np.isfinite(row.spearman) else np.inf)


def analyse(studied: Sequence[Studied], *, rounds: int = 1000) -> Analysis:
    """Correlate every predictor with every outcome.

    Args:
        studied: The collections.
        rounds: Bootstrap samples of each.
    """
    outcomes, rows, agreements = list[Outcome](), list[Row](), list[Agreement]()
    for one in studied:
        agreements += _agreements(one)
        for outcome, values in _outcomes(one):
            outcomes.append(outcome)
            rows += _rows(one, outcome, values, rounds)
    return Analysis(outcomes, rows, agreements)


def chosen(analysis: Analysis) -> str | None:
    """Return the predictor with the highest mean Spearman over modes, in domain, on the development collection.

    None where that collection was not studied. Everything it reaches elsewhere is a confirmation.
    """
    found: dict[str, list[float]] = {}
    for row in analysis.rows:
        if row.collection == DEVELOPMENT and row.where == IN_DOMAIN:
            found.setdefault(row.predictor, []).append(row.spearman)
    means = {name: float(np.mean(values)) for name, values in found.items() if np.isfinite(values).all()}
    return max(means, key=lambda name: means[name]) if means else None


def regret_of(outcome: Outcome, studied: Studied, name: str) -> float:
    """Return what the best set reached less what a named set did; nan where there is no such set."""
    names = [one.settings.name for one in studied.sets]
    return float(outcome.reached.max() - outcome.reached[names.index(name)]) if name in names else float("nan")


def _outcomes(studied: Studied) -> Iterator[tuple[Outcome, list[np.ndarray]]]:
    role = "development" if studied.collection == DEVELOPMENT else "confirming"
    for mode, reached in studied.outcomes.items():
        own = [reached.values[studied.collection]]
        others = [values for target, values in reached.values.items() if target != studied.collection]
        some = [own[0][:, :, studied.unseen]] if _FEWEST <= studied.unseen.sum() < len(studied.unseen) else []
        for where, values in ((IN_DOMAIN, own), (UNSEEN, some), (TRANSFER, others)):
            if values:
                head = (studied.collection, role, mode, where)
                yield Outcome(*head, mean_outcome(values), ceiling(values)), values


def _rows(studied: Studied, outcome: Outcome, values: list[np.ndarray], rounds: int) -> Iterator[Row]:
    names = studied.predictions.names
    found = correlations(studied.predictions.values, values, studied.families, names.index(BASELINE), rounds=rounds)
    head = (outcome.collection, outcome.role, outcome.mode, outcome.where)
    columns = [
        *(found.spearman, *found.spearman_interval, *found.spearman_by_set),
        *(found.kendall, *found.kendall_interval),
        *(found.difference, *found.difference_interval, *found.difference_by_set),
        found.spearman / outcome.ceiling.value if outcome.ceiling.value > 0 else np.full(len(names), np.nan),
        outcome.reached.max() - outcome.reached[studied.predictions.means().argmax(axis=1)],
    ]
    for place, name in enumerate(names):
        without = {family: float(rho[place]) for family, rho in found.without.items()}
        yield Row(*head, name, *(float(column[place]) for column in columns), without)


def _agreements(studied: Studied) -> Iterator[Agreement]:
    for name in ("static", "minilm"):
        one, other = f"eci_v1/{name}", f"eci_sem/{name}"
        sides = [studied.predictions.of(side) for side in (one, other)]
        ranks = [(-side).argsort(kind="stable").argsort(kind="stable") + 1 for side in sides]
        order = np.argsort(-np.abs(ranks[0] - ranks[1]), kind="stable")[:_SHOWN].tolist()
        apart = [(studied.sets[row].settings.name, int(ranks[0][row]), int(ranks[1][row])) for row in order]
        yield Agreement(studied.collection, one, other, float(spearman(sides[0], sides[1])), apart)
