"""Train with each set and each seed, and measure on every collection's test queries; what is done stays done."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from pyrite.data import QueryScores
from pyrite.eval import evaluate_index
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import Encoder
from pyrite.search import DenseRetriever
from pyrite.train import StaticTrainer, TrainingJob, TrainingTexts, TransformerTrainer, train
from pyrite.train.losses import InfoNCE
from studies.eci.sets import MadeSet
from studies.eci.tasks import Encoders, Plan, Task
from studies.scores import kept

__all__ = ["MEASURE", "MODES", "Outcomes", "Series", "Training", "run_trainings", "trainer", "untrained"]

MEASURE = "nDCG@10"
MODES = {"batch": InfoNCE(candidates="batch"), "own": InfoNCE(candidates="own")}
"""{name: loss}: with the documents of the other queries in the batch as negatives, or with a query's own alone."""
_LOG = logging.getLogger("eci")


@dataclass(frozen=True)
class Training:
    """One training.

    Attributes:
        negatives: The set.
        mode: A key of `MODES`.
        seed: The order of the batches.
    """

    negatives: MadeSet
    mode: str
    seed: int

    @property
    def name(self) -> str:
        """What its folder and its scores are called."""
        return f"{self.negatives.key}-{self.mode}-{self.seed}"


def trainer(plan: Plan, training: Training) -> StaticTrainer | TransformerTrainer:
    """Return the settings of a training."""
    given = {
        **{"epochs": plan.epochs, "batch_size": plan.batch, "learning_rate": plan.learning_rate},
        **{"negatives": training.negatives.settings.count, "loss": MODES[training.mode], "seed": training.seed},
    }
    if plan.trainee == "static":
        return StaticTrainer.model_validate(given)
    return TransformerTrainer.model_validate({**given, "precision": "bf16", "max_length": plan.tokens})


@dataclass(frozen=True)
class Outcomes:
    """What trainings reached, query by query.

    Attributes:
        values: {target: nDCG@10, float64, shape (sets, seeds, the target's test queries)}.
    """

    values: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Series:
    """What all trainings of a study have in common.

    Attributes:
        plan: The sizes.
        encoders: The trainee among them.
        seeds: Trainings of a set and mode.
        targets: Whose test queries are asked, the own collection's among them.
        modes: Keys of `MODES`.
    """

    plan: Plan
    encoders: Encoders
    seeds: int
    targets: Sequence[Task]
    modes: Sequence[str] = tuple(MODES)


def run_trainings(task: Task, sets: Sequence[MadeSet], series: Series, folder: Path) -> Mapping[str, Outcomes]:
    """Train with every set, seed and mode, and measure on every target.

    All sets are trained with a seed before the next seed, so that a study that is cut short has compared all of them.

    Args:
        task: What the sets belong to.
        sets: The sets.
        series: What the trainings share.
        folder: Keeps the scores.

    Returns:
        {mode: what was reached}.
    """
    work = [Training(one, mode, seed) for seed in range(series.seeds) for mode in series.modes for one in sets]
    clock = _Clock(sum(not _is_done(folder / one.name, series.targets) for one in work))
    scores = {one.name: _measured(task, one, series, folder / one.name, clock) for one in work}
    return {mode: _stacked(sets, mode, series, scores) for mode in series.modes}


def _is_done(home: Path, targets: Sequence[Task]) -> bool:
    return all((home / target.key / "scores").is_dir() for target in targets)


def _measured(task: Task, training: Training, series: Series, home: Path, clock: _Clock) -> dict[str, QueryScores]:
    """Return {target: scores}; trains once, where a target's are missing."""
    start, done = time.perf_counter(), _is_done(home, series.targets)
    lazy = _Lazily(task, training, series.plan, series.encoders, home)
    scores = {
        target.name: kept(home / target.key, partial(_later, lazy, target, training.name)) for target in series.targets
    }
    if not done:
        shutil.rmtree(home / "training", ignore_errors=True)
        clock.tell(training.name, scores[task.name].means()[MEASURE], time.perf_counter() - start)
    return scores


@dataclass(frozen=True)
class _Lazily:
    """A training that is done where somebody asks for its model."""

    task: Task
    training: Training
    plan: Plan
    encoders: Encoders
    home: Path

    @cached_property
    def model(self) -> Encoder:
        made, start = self.training.negatives, self.encoders.trainee(self.plan)
        texts = TrainingTexts(made.corpus(self.task), self.task.queries)
        job = TrainingJob(self.home / "training", device=self.encoders.device, trackers=())
        prompts = read_prompts(start).model_dump()
        settings = trainer(self.plan, self.training)
        result = train(start, made.training_set, texts, settings, prompts=prompts, job=job)
        return self.encoders.trained(result.folder, self.plan)


def _later(lazily: _Lazily, target: Task, system: str) -> QueryScores:
    return _of_target(lazily.model, target, system)


def _of_target(model: Encoder, target: Task, system: str) -> QueryScores:
    index = DenseRetriever(model, name=system).build(target.corpus)
    return evaluate_index(index, target.queries, target.test, [MEASURE], depth=10)[1]


def untrained(series: Series, folder: Path) -> dict[str, float]:
    """Return {target: what the trainee reaches before any training}; scores are kept in the folder."""
    model = series.encoders.dense if series.plan.trainee == "static" else series.encoders.judge
    scores = {
        target.name: kept(folder / target.key, partial(_of_target, model, target, "untrained"))
        for target in series.targets
    }
    return {name: table.means()[MEASURE] for name, table in scores.items()}


def _stacked(
    sets: Sequence[MadeSet], mode: str, series: Series, scores: Mapping[str, Mapping[str, QueryScores]]
) -> Outcomes:
    values = {}
    for target in series.targets:
        seeds = range(series.seeds)
        tables = [[scores[Training(one, mode, seed).name][target.name].of(MEASURE) for seed in seeds] for one in sets]
        values[target.name] = np.array([[[one[query] for query in target.test_ids] for one in row] for row in tables])
    return Outcomes(values)


class _Clock:
    """Says after each training how many are left, and how long that may take.

    Args:
        work: How many there are to do.
    """

    def __init__(self, work: int) -> None:
        self._work, self._done, self._seconds = work, 0, 0.0

    def tell(self, name: str, value: float, seconds: float) -> None:
        """Note a training that took so many seconds."""
        self._done += 1
        self._seconds += seconds
        left = self._seconds / self._done * (self._work - self._done)
        told = (self._done, self._work, name, MEASURE, value, seconds, left / 60)
        _LOG.info("%d of %d: %s, %s %.4f, %.1f s; %.0f minutes left", *told)
