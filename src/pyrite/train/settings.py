"""How an encoder is trained: one settings class for each kind of encoder, told apart by `type`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pyrite.settings import Settings
from pyrite.train.losses.infonce import InfoNCE
from pyrite.train.losses.settings import LossSettings
from pyrite.train.schedule import Schedule

__all__ = ["LoraSettings", "StaticTrainer", "TrainerSettings", "TransformerTrainer"]


class _ContrastiveTrainer(Schedule):
    """What both trainers share: a loss, AdamW, seeded batches."""

    epochs: int = Field(default=3, ge=1)
    """Passes over all pairs of a query and a positive."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs in a batch. The positives and mined negatives of the others are negatives too, so it changes the result."""
    negatives: int = Field(default=4, ge=0)
    """Mined negatives that a query brings at most, the first of its group; with 0, only the batch gives negatives."""
    loss: LossSettings = InfoNCE()
    """The loss by its `type`."""
    loss_learning_rate: float = Field(default=1e-3, gt=0)
    """The highest learning rate of what a loss learns itself, such as a temperature; it rises and falls likewise."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay of AdamW: a step takes off this share of a weight, times the learning rate."""
    patience: int | None = Field(default=None, ge=1)
    """Epochs in a row without a gain on dev after which training ends; None does all epochs. The learning rate falls as
    if all were done."""
    seed: int = Field(default=0, ge=0)
    """Decides the order of the examples, and with it who shares a batch."""


class StaticTrainer(_ContrastiveTrainer):
    """Train a static encoder: a table of token vectors, a text being the mean of its tokens.

    Example:
        >>> StaticTrainer(epochs=2).batch_size
        64
    """

    type: Literal["static"] = "static"
    """The kind of encoder."""
    epochs: int = Field(default=5, ge=1)
    """Passes over all pairs of a query and a positive."""
    batch_size: int = Field(default=64, ge=1)
    """Pairs in a batch. The positives and mined negatives of the others are negatives too, so it changes the result."""
    learning_rate: float = Field(default=0.03, gt=0)
    """The highest learning rate. Vectors drawn at random want more (0.2) than trained ones."""


class LoraSettings(Settings):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on a frozen transformer; wants the extra `lora`.

    Example:
        >>> LoraSettings(rank=8).alpha
        32.0
    """

    rank: int = Field(default=16, ge=1)
    """The rank r of an adapter: it adds r (inputs + outputs) weights to a layer."""
    alpha: float = Field(default=32.0, gt=0)
    """What an adapter adds is scaled by alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """The share of an adapter's inputs that training sets to 0."""
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """The layers with an adapter: all linear ones, or those whose names end so (`q_proj`, `v_proj`)."""
    export: Literal["merged", "adapter"] = "merged"
    """What the trained model's folder holds: the whole model, adapters worked into its weights; or the adapters alone,
    a few megabytes that need the untrained model where it was. From a model that is adapters itself, `merged` trains
    new ones on the whole, and `adapter` goes on with those, which have to be as these settings say."""
    base: str | None = None
    """Where an exported adapter finds the untrained model: a name on the hub, or a folder. Where empty, the name of the
    model on the hub that it is, brought in by the stage `model`; else its folder."""


class TransformerTrainer(_ContrastiveTrainer):
    """Train a transformer encoder through sentence-transformers' trainer.

    Example:
        >>> TransformerTrainer().precision
        'fp32'
    """

    type: Literal["transformer"] = "transformer"
    """The kind of encoder."""
    epochs: int = Field(default=2, ge=1)
    """Passes over all pairs of a query and a positive."""
    batch_size: int = Field(default=32, ge=1)
    """Pairs in a batch. The positives and mined negatives of the others are negatives too, so it changes the result."""
    learning_rate: float = Field(default=2e-5, gt=0)
    """The highest learning rate."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay of AdamW; biases and layer norms are left out of it."""
    max_gradient_norm: float = Field(default=1.0, ge=0)
    """The gradient is scaled down to this norm where it is longer; 0 never scales."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """The arithmetic of the forward and backward pass. What is trained stays in 32 bits, and so does the optimiser;
    with `lora`, `bf16` holds the frozen weights in 16 bits."""
    max_length: int | None = Field(default=None, ge=2)
    """Tokens of a text that are read, special ones included; None leaves what the model's folder says."""
    lora: LoraSettings | None = None
    """Train low-rank adapters and freeze all else; where empty, all weights are trained. Adapters want a
    `learning_rate` some ten times higher, as 2e-4."""
    gradient_checkpointing: bool = False
    """Keep the activations of a layer's input alone and compute the others again: less memory, a third more time, the
    same weights."""


TrainerSettings = Annotated[StaticTrainer | TransformerTrainer, Field(discriminator="type")]
"""Either trainer; `type` says which."""
