"""What every loss is: settings that can be called."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pyrite.settings import Settings
from pyrite.train.losses.batch import LossBatch

if TYPE_CHECKING:
    import torch

__all__ = ["Loss", "Parameters", "Want"]

Want = Literal["teacher scores", "margins", "guide"]
"""What a loss may want beside vectors: scores of a teacher, margins (or the scores that they follow from), or the
vectors of a guide."""

Parameters = Mapping[str, "torch.Tensor"]
"""The scalars that a loss learns, by their names in `Loss.parameters`."""


class Loss(Settings):
    """The parent of every loss: frozen settings, with one call that is a pure function of its arguments."""

    @abstractmethod
    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the loss of a batch, or the share of it that the queries in view have.

        Args:
            batch: The vectors, and what is known of them.
            parameters: The scalars that the loss learns; None for their first values.

        Returns:
            A scalar; the sum over blocks of rows that make up the batch is the loss of the batch.
        """

    def parameters(self) -> dict[str, float]:
        """Return the scalars that the loss learns beside the encoder, with their first values. Most learn none."""
        return {}

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what is worth knowing of a batch, in the mean over the queries in view, for a log.

        It is called without gradients. `positive-cosine` and, where there are mined negatives, `negative-cosine` say
        how hard the negatives are; `known-share` says which share of the documents beside the own positive is left out
        as known positives.
        """
        from pyrite.train.losses.similarity import own_cosines

        cosines, there = own_cosines(batch)
        mined = cosines[:, 1:][there[:, 1:]]
        facts = {"positive-cosine": float(cosines[:, 0].mean()), "known-share": _known_share(batch)}
        return facts | ({"negative-cosine": float(mined.mean())} if len(mined) else {})

    def wants(self) -> frozenset[Want]:
        """Return what the loss cannot do without."""
        return frozenset()

    def positives_together(self) -> int:
        """Return how many positives of a query it looks at together, at most."""
        return 1

    def uses_mined(self) -> bool:
        """Say whether it looks at mined negatives; where not, they need not be encoded."""
        return True

    def needs_mined(self) -> bool:
        """Say whether it looks at no other negatives, so that without them there is nothing to learn."""
        return False


def _known_share(batch: LossBatch) -> float:
    """Return the share of known positives among the documents beside each query's own."""
    there, seen = batch.candidates, batch.known[batch.view]
    others = len(seen) * (int(there.sum()) - 1)
    return (int((seen & there).sum()) - len(seen)) / others if others else 0.0
