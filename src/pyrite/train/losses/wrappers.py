"""Losses made of losses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from pyrite.errors import SettingsError
from pyrite.settings import Settings
from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.debiased import DebiasedContrastive, HardContrastive
from pyrite.train.losses.distillation import KLDistillation, MarginMSE, SoftLabels
from pyrite.train.losses.guided import GuidedInfoNCE
from pyrite.train.losses.infonce import InfoNCE
from pyrite.train.losses.loss import Loss, Parameters, Want
from pyrite.train.losses.multi_positive import MultiPositiveInfoNCE

if TYPE_CHECKING:
    import torch

__all__ = ["Matryoshka", "SumOfLosses", "WeightedLoss"]

_Simple = (
    InfoNCE
    | MultiPositiveInfoNCE
    | GuidedInfoNCE
    | DebiasedContrastive
    | HardContrastive
    | MarginMSE
    | KLDistillation
    | SoftLabels
)
SimpleLoss = Annotated[_Simple, Field(discriminator="type")]
"""Any loss that is not made of others."""


class WeightedLoss(Settings):
    """A term of a sum."""

    loss: SimpleLoss
    """The loss by its `type`."""
    weight: float = Field(default=1.0, gt=0)
    """What it is multiplied by."""


class SumOfLosses(Loss):
    """Several losses on the same vectors, weighed and added.

    References:
        LG-ANNA-Embedding, arXiv 2506.07438, learns from soft labels beside its contrastive loss; how is not published.
        Our reconstruction is InfoNCE + KL, both at temperature .02, the teacher's at 1, both with weight 1.

    Example:
        >>> from pyrite.train.losses import InfoNCE, KLDistillation
        >>> terms = [{"loss": InfoNCE(temperature=0.02)}, {"loss": KLDistillation(temperature=0.02), "weight": 0.5}]
        >>> sorted(SumOfLosses(terms=terms).wants())
        ['teacher scores']
    """

    type: Literal["sum"] = "sum"
    terms: tuple[WeightedLoss, ...] = Field(min_length=1)
    """The losses and their weights."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the weighted sum; see `Loss`."""
        values = [
            term.loss(batch, self._parameters_of(place, parameters)) * term.weight
            for place, term in enumerate(self.terms)
        ]
        return sum(values[1:], start=values[0])

    def wants(self) -> frozenset[Want]:
        """Return what any of the losses wants."""
        return frozenset().union(*(term.loss.wants() for term in self.terms))

    def positives_together(self) -> int:
        """Return the most that any of the losses looks at."""
        return max(term.loss.positives_together() for term in self.terms)

    def uses_mined(self) -> bool:
        """Say whether any of the losses looks at mined negatives."""
        return any(term.loss.uses_mined() for term in self.terms)

    def needs_mined(self) -> bool:
        """Say whether all of the losses need them."""
        return all(term.loss.needs_mined() for term in self.terms)

    def parameters(self) -> dict[str, float]:
        """Return what the losses learn, each name with the place of its loss before it, from 1."""
        return {
            f"{place}-{name}": first
            for place, term in enumerate(self.terms, start=1)
            for name, first in term.loss.parameters().items()
        }

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return the facts of all losses; where two differ in one, the later has its place before it."""
        facts: dict[str, float] = {}
        for place, term in enumerate(self.terms):
            for name, value in term.loss.facts(batch, self._parameters_of(place, parameters)).items():
                facts[name if facts.get(name, value) == value else f"{place + 1}-{name}"] = value
        return facts

    def _parameters_of(self, place: int, parameters: Parameters | None) -> Parameters | None:
        if parameters is None:
            return None
        return {name: parameters[f"{place + 1}-{name}"] for name in self.terms[place].loss.parameters()}


class Matryoshka(Loss):
    r"""Any loss, at several sizes of the vectors.

        L = \sum_d w_d L(first d components)

    Cosines are renormalised at each size. Vectors trained so can be cut to any of the sizes, and searched with less
    memory.

    References:
        Kusupati et al. 2022, arXiv 2205.13147, eq. 1.

    Relations:
        The value and gradient of sentence-transformers' `MatryoshkaLoss` around the same loss.

    Example:
        >>> from pyrite.train.losses import InfoNCE
        >>> Matryoshka(loss=InfoNCE(), dims=(256, 64), weights=(1.0, 0.5)).dims
        (256, 64)
    """

    type: Literal["matryoshka"] = "matryoshka"
    loss: Annotated[_Simple | SumOfLosses, Field(discriminator="type")] = InfoNCE()
    """The loss by its `type`."""
    dims: tuple[int, ...] = Field(min_length=1)
    """The sizes. Name the full one too, or the whole vectors are not trained as such."""
    weights: tuple[float, ...] = ()
    """What the loss at each size is multiplied by; empty for 1."""

    @model_validator(mode="after")
    def _one_weight_each(self) -> Self:
        if min(self.dims) < 1 or len(set(self.dims)) < len(self.dims):
            raise ValueError(f"dims must be different numbers from 1, not {', '.join(map(str, self.dims))}")
        if self.weights and len(self.weights) != len(self.dims):
            raise ValueError(f"{len(self.weights)} weights for {len(self.dims)} dims; give one for each, or none")
        if self.weights and min(self.weights) <= 0:
            raise ValueError(
                f"weights must be above 0, not {', '.join(map(str, self.weights))}; leave a size out instead"
            )
        return self

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the weighted sum over the sizes; see `Loss`.

        Raises:
            SettingsError: The vectors have fewer components than a size.
        """
        size = batch.documents.shape[1]
        if max(self.dims) > size:
            raise SettingsError(
                f"loss.dims: {max(self.dims)} is more than the {size} components of the model's vectors"
            )
        weights = self.weights or (1.0,) * len(self.dims)
        values = [
            weight * self.loss(batch.with_vectors(batch.queries[:, :dim], batch.documents[:, :dim]), parameters)
            for dim, weight in zip(self.dims, weights, strict=True)
        ]
        return sum(values[1:], start=values[0])

    def wants(self) -> frozenset[Want]:
        """Return what the loss wants."""
        return self.loss.wants()

    def positives_together(self) -> int:
        """Return what the loss looks at."""
        return self.loss.positives_together()

    def uses_mined(self) -> bool:
        """Say whether the loss looks at mined negatives."""
        return self.loss.uses_mined()

    def needs_mined(self) -> bool:
        """Say whether the loss needs them."""
        return self.loss.needs_mined()

    def parameters(self) -> dict[str, float]:
        """Return what the loss learns, one for all sizes."""
        return self.loss.parameters()

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return the facts of the loss on the whole vectors."""
        return self.loss.facts(batch, parameters)
