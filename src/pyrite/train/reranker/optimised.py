"""A network in training with its optimiser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from pyrite.train.mini_batches import Features, cached_vectors
from pyrite.train.reranker.networks import ScoringNetwork
from pyrite.train.reranker.settings import ScorerTrainer
from pyrite.train.task import TrainingTask

__all__ = ["OptimisedNetwork"]


@dataclass(frozen=True, slots=True)
class OptimisedNetwork:
    """A network and the AdamW that changes it.

    Attributes:
        network: On the device that it is trained on.
        settings: How it is trained.
        optimizer: AdamW over all weights that are trained.
        tokens: Tokens of a mini-batch, padding included; None takes a batch at once.
    """

    network: ScoringNetwork
    settings: ScorerTrainer
    optimizer: torch.optim.Optimizer
    tokens: int | None

    @classmethod
    def build(cls, network: ScoringNetwork, settings: ScorerTrainer, task: TrainingTask) -> OptimisedNetwork:
        """Move a network to the device of a task and give it an optimiser."""
        network.module.to(task.device("cuda" if torch.cuda.is_available() else "cpu"))
        # Biases and the scales of layer norms are the weights of one dimension.
        groups: dict[bool, list[torch.Tensor]] = {True: [], False: []}
        for _, weights in _trainable(network):
            groups[weights.ndim > 1].append(weights)
        decays = {True: settings.weight_decay, False: 0.0}
        parts: Any = [{"params": some, "weight_decay": decays[wide]} for wide, some in groups.items() if some]
        optimizer = torch.optim.AdamW(parts, lr=settings.learning_rate, fused=True)
        return cls(network, settings, optimizer, task.job.mini_batch_tokens)

    def logits(self, pairs: Sequence[tuple[str, str]]) -> torch.Tensor:
        """Return the logit of each pair in 32 bits, with its gradient."""
        parts, rows = self.network.inputs(pairs, self.tokens)
        return self.of_rows(parts, rows, lambda part: self.network.logits(part)[:, None])[:, 0]

    def of_rows(
        self, parts: list[Features], rows: np.ndarray, compute: Callable[[Features], torch.Tensor]
    ) -> torch.Tensor:
        """Compute something of each row of mini-batches, and return it in the order of what the rows are of.

        Where there are several, the activations of one at a time are in memory: see `cached_vectors`.

        Args:
            parts: The mini-batches.
            rows: What each of their rows is of: shape (N,).
            compute: Gives shape (rows of the mini-batch, D).

        Returns:
            Shape (N, D), in 32 bits.
        """

        def computed(part: Features) -> torch.Tensor:
            with self._arithmetic():
                return compute(part).float()

        found = computed(parts[0]) if len(parts) == 1 else cached_vectors(computed, parts)
        # The gradient of `embedding` adds up in a fixed order, the one of indexing does not.
        return functional.embedding(torch.from_numpy(np.argsort(rows)).to(found.device), found)

    def _arithmetic(self) -> Any:
        """Return the context that a forward pass is computed in."""
        if self.settings.precision == "fp32":
            return nullcontext()
        device = next(self.network.module.parameters()).device
        return torch.autocast(device.type, dtype=torch.bfloat16)

    def descend(self, loss: torch.Tensor, rate: float) -> float:
        """Do one optimiser step down a loss, and return the length of the gradient before it was clipped."""
        for options in self.optimizer.param_groups:
            options["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        weights = [weights for _, weights in _trainable(self.network)]
        norm = torch.nn.utils.clip_grad_norm_(weights, self.settings.max_gradient_norm or torch.inf)
        self.optimizer.step()
        return float(norm)

    def state(self) -> dict[str, Any]:
        """Return weights and optimiser, for `torch.save`."""
        weights = {name: weights.detach() for name, weights in _trainable(self.network)}
        return {"weights": weights, "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to what `state` gave."""
        with torch.no_grad():
            for name, weights in _trainable(self.network):
                weights.copy_(state["weights"][name])
        self.optimizer.load_state_dict(state["optimizer"])


def _trainable(network: ScoringNetwork) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, weights) for name, weights in network.module.named_parameters() if weights.requires_grad]
