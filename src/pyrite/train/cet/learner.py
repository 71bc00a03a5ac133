"""One step of the coupled training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from pyrite.seeds import derive_seed
from pyrite.train.cet.objective import pair_weights, weighted_loss
from pyrite.train.cet.settings import CetTrainer
from pyrite.train.progress import StepNumbers
from pyrite.train.reranker.loop import MODEL
from pyrite.train.reranker.material import ListBatch
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.reranker.optimised import OptimisedNetwork
from pyrite.train.task import TrainingTask

__all__ = ["SELECTION", "CetLearner"]

SELECTION = "selection"
"""The name of g and of its folder; f is what dev measures."""


class CetLearner:
    """Trains two networks, each on losses weighed by the scores of the other.

    Both weights of a step come from the same state of the models, before either of them takes its step, without
    dropout and without a gradient.

    Args:
        task: The examples, the plan and the device.
        settings: How.
        networks: f as `model` and g as `selection`; trained in place.
    """

    def __init__(self, task: TrainingTask, settings: CetTrainer, networks: Mapping[str, ScoringNetwork]) -> None:
        self._task, self._settings = task, settings
        self._models = {name: OptimisedNetwork.build(network, settings, task) for name, network in networks.items()}

    @property
    def networks(self) -> Mapping[str, ScoringNetwork]:
        """Both networks; see `Learner`, as for the others."""
        return {name: model.network for name, model in self._models.items()}

    def step(self, step: int, members: np.ndarray) -> StepNumbers:
        """Do one step of each model."""
        batch = ListBatch.of(self._task.examples, members)
        scores = {name: self._scores(model, batch) for name, model in self._models.items()}
        rate = self._settings.rate(step, self._task.plan.steps)
        losses, norms = {}, {}
        for name, other in ((MODEL, SELECTION), (SELECTION, MODEL)):
            losses[name], norms[name] = self._descend(name, scores[other], batch, step)
        facts = {
            "selection-loss": losses[SELECTION],
            "selection-gradient-norm": norms[SELECTION],
            **_facts(scores[MODEL], scores[SELECTION], batch, self._settings),
        }
        return StepNumbers(losses[MODEL], len(members), rate, norms[MODEL], facts)

    def _scores(self, model: OptimisedNetwork, batch: ListBatch) -> torch.Tensor:
        """Return a model's scores of the negatives, as they are before the step: shape (B, K)."""
        negatives = batch.without_positives()
        model.network.module.eval()
        with torch.no_grad():
            return negatives.scored(model.logits(negatives.pairs())).kept[:, 1:]

    def _descend(self, name: str, weighing: torch.Tensor, batch: ListBatch, step: int) -> tuple[float, float]:
        """Do a step of one model, and return its loss and the length of the gradient."""
        settings, model = self._settings, self._models[name]
        # Dropout depends on the step and the model alone, so that a resumed training goes the same way.
        torch.manual_seed(derive_seed(settings.seed, "cet-step", str(step), name) % 2**63)
        model.network.module.train()
        lists = batch.scored(model.logits(batch.pairs()))
        there = lists.present[:, 1:]
        weights = pair_weights(weighing, there, settings.temperature, settings.weight_cap, settings.normalise)
        loss = weighted_loss(lists, weights)
        norm = model.descend(loss, settings.rate(step, self._task.plan.steps))
        return float(loss.detach()), norm

    def save_state(self, file: Path) -> None:
        """Write the weights and optimisers of both."""
        torch.save({name: model.state() for name, model in self._models.items()}, file)

    def load_state(self, file: Path) -> None:
        """Read what `save_state` wrote."""
        device = next(self._models[MODEL].network.module.parameters()).device
        state = torch.load(file, map_location=device, weights_only=True)
        for name, model in self._models.items():
            model.restore(state[name])


def _facts(f: torch.Tensor, g: torch.Tensor, batch: ListBatch, settings: CetTrainer) -> dict[str, float]:
    """Return the mean weights of a batch, and the correlation of both models where it is defined."""
    there = torch.from_numpy(batch.present[:, 1:]).to(f.device)
    if not bool(there.any()):
        return {}
    options = (settings.temperature, settings.weight_cap, settings.normalise)
    both = {"relevance": f, "selection": g}
    facts = {f"{name}-weight": float(pair_weights(s, there, *options)[there].mean()) for name, s in both.items()}
    scores = torch.stack([f[there], g[there]]).double()
    spread = scores.std(dim=1, correction=0)
    if bool((spread > 0).all()):
        centred = scores - scores.mean(dim=1, keepdim=True)
        facts["f-g-correlation"] = float((centred[0] * centred[1]).mean() / spread.prod())
    return facts
