"""How models that score pairs are trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pyrite.train.reranker.objectives import ListwiseAndPairs, ObjectiveSettings
from pyrite.train.schedule import Schedule
from pyrite.train.settings import LoraSettings

__all__ = ["RerankerTrainer", "ScorerTrainer"]


class ScorerTrainer(Schedule):
    """What all trainers of models that score pairs share: AdamW, seeded batches, and what of a network is trained."""

    epochs: int = Field(default=1, ge=1)
    """Passes over all pairs of a query and a positive."""
    batch_size: int = Field(default=8, ge=1)
    """Pairs of a query and a positive in a batch; each brings its negatives."""
    negatives: int = Field(default=4, ge=0)
    """Mined negatives that a query brings at most, the first of its group."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """The highest learning rate; large models and those that are rerankers already want less, such as 2e-5."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of AdamW; biases and layer norms are left out of it."""
    max_gradient_norm: float = Field(default=1.0, ge=0)
    """The gradient is scaled down to this norm where it is longer; 0 never scales."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """The arithmetic of the forward and backward pass; weights and optimiser stay in 32 bits."""
    max_length: int | None = Field(default=None, ge=8)
    """Tokens of query and document together, and kept in what is saved; what the start says, where empty."""
    lora: LoraSettings | None = None
    """Train low-rank adapters and freeze all else, a cross-encoder's head apart; they are merged into what is saved.
    Adapters want a `learning_rate` some ten times higher, as 2e-4."""
    gradient_checkpointing: bool = False
    """Keep the activations of a layer's input alone and compute the others again: less memory, a third more time, the
    same weights."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs in a row without a gain on dev after which training ends; None does all epochs. The learning rate falls as
    if all were done."""
    seed: int = Field(default=0, ge=0)
    """Decides the order of the examples, dropout, the order of lists, and a head that the start lacks."""


class RerankerTrainer(ScorerTrainer):
    """Train a model that scores a query and a document together: a cross-encoder, or a language model's yes or no.

    Example:
        >>> RerankerTrainer().objective.type
        'listwise-and-pairs'
    """

    objective: ObjectiveSettings = ListwiseAndPairs()
    """What is learnt, by its `type`."""
