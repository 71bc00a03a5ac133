"""One step of a reranker's training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from pyrite.errors import SettingsError
from pyrite.seeds import derive_seed, rng
from pyrite.train.progress import StepNumbers
from pyrite.train.reranker.language_model import LanguageModelNetwork
from pyrite.train.reranker.loop import MODEL
from pyrite.train.reranker.material import ListBatch
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.reranker.objectives import PairAndList
from pyrite.train.reranker.optimised import OptimisedNetwork
from pyrite.train.reranker.settings import RerankerTrainer
from pyrite.train.task import TrainingTask

__all__ = ["RerankerLearner"]


class RerankerLearner:
    """Trains one network by an objective.

    Args:
        task: The examples, the plan and the device.
        settings: How.
        network: As it was loaded; trained in place.
    """

    def __init__(self, task: TrainingTask, settings: RerankerTrainer, network: ScoringNetwork) -> None:
        self._task, self._settings = task, settings
        self._model = OptimisedNetwork.build(network, settings, task)

    @property
    def networks(self) -> Mapping[str, ScoringNetwork]:
        """The network; see `Learner`, as for the others."""
        return {MODEL: self._model.network}

    def step(self, step: int, members: np.ndarray) -> StepNumbers:
        """Do one optimiser step."""
        # Dropout too depends on the step alone, so that a resumed training goes the same way.
        torch.manual_seed(derive_seed(self._settings.seed, "reranker-step", str(step)) % 2**63)
        rate = self._settings.rate(step, self._task.plan.steps)
        self._model.network.module.train()
        loss = self._loss(step, ListBatch.of(self._task.examples, members))
        norm = self._model.descend(loss, rate)
        return StepNumbers(float(loss.detach()), len(members), rate, norm)

    def save_state(self, file: Path) -> None:
        """Write weights and optimiser."""
        torch.save(self._model.state(), file)

    def load_state(self, file: Path) -> None:
        """Read what `save_state` wrote."""
        device = next(self._model.network.module.parameters()).device
        self._model.restore(torch.load(file, map_location=device, weights_only=True))

    def _loss(self, step: int, batch: ListBatch) -> torch.Tensor:
        objective = self._settings.objective
        if not isinstance(objective, PairAndList):
            return objective(batch.scored(self._model.logits(batch.pairs())))
        unscored = batch.scored(torch.zeros(int(batch.present.sum())))
        two = batch.with_one_negative(objective.hardest(unscored).numpy())
        pairs = objective(two.scored(self._model.logits(two.pairs())))
        return pairs + objective.list_weight * self._choice(step, batch, objective)

    def _choice(self, step: int, batch: ListBatch, objective: PairAndList) -> torch.Tensor:
        network = self._model.network
        if not isinstance(network, LanguageModelNetwork):
            raise SettingsError("objective: pair-and-list wants a start of type llm-yes-no")
        order = rng(self._settings.seed, "reranker-lists", str(step))
        shown = [order.permutation(np.flatnonzero(row)) for row in batch.present]
        lists = [[batch.texts[batch.documents[row, column]] for column in columns] for row, columns in enumerate(shown)]
        most = max(map(len, lists))
        inputs = network.list_inputs(batch.queries, lists, objective.list_template, self._model.tokens)
        logits = self._model.of_rows(*inputs, lambda part: network.choices(part, most))
        sizes = torch.tensor([len(columns) for columns in shown], device=logits.device)
        places = torch.tensor([int(np.flatnonzero(columns == 0)[0]) for columns in shown], device=logits.device)
        there = torch.arange(logits.shape[1], device=logits.device) < sizes[:, None]
        given = batch.example_weights
        weights = None if given is None else torch.from_numpy(given).to(logits.device)
        return objective.choice(logits, there, places, weights)
