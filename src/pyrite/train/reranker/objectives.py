"""What a reranker learns from: objectives on the logits of a query's documents, told apart by `type`."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from pyrite.settings import Settings
from pyrite.train.losses.loss import Want
from pyrite.train.reranker.lists import ScoredLists

if TYPE_CHECKING:
    import torch

__all__ = [
    "BinaryCrossEntropy",
    "Dice",
    "Distillation",
    "Listwise",
    "ListwiseAndPairs",
    "MarginMSE",
    "Objective",
    "ObjectiveSettings",
    "PairAndList",
]


class Objective(Settings):
    """The parent of every objective: frozen settings, with one call that is a pure function of its argument.

    A document that is padding, or that the objective wants a teacher's score of and that has none, leaves the loss: it
    counts nowhere and gets no gradient. What belongs to a query is multiplied by how often the query counts; what a sum
    is divided by does not hang on it.
    """

    @abstractmethod
    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the loss of a batch, a scalar."""

    def wants(self) -> frozenset[Want]:
        """Return what the objective cannot do without."""
        return frozenset()


class BinaryCrossEntropy(Objective):
    """Cross-entropy of each pair by itself: is the document relevant?

    With z the logits, y 1 for a positive and 0 for a negative, w the weights of the negatives and v that of the
    positives, the mean over all pairs of

        -v y ln sigmoid(z) - w (1 - y) ln(1 - sigmoid(z))

    References:
        - Nogueira and Cho 2019, arXiv 1901.04085, eq. 1.

    Relations:
        What makes a logit's sigmoid a probability among pairs like those trained on. `Listwise` looks at differences
        within a query only, which is what ranking needs. `Dice` is less moved by many easy negatives.
    """

    type: Literal["binary-cross-entropy"] = "binary-cross-entropy"
    positive_weight: float = Field(default=1.0, gt=0)
    """How often a positive counts; the number of negatives of a query balances the two sides."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the mean loss of the pairs; see `Objective`."""
        from torch.nn import functional

        logits = lists.kept
        positive, negatives = functional.softplus(-logits[:, :1]), functional.softplus(logits[:, 1:])
        weights = lists.all_weights()
        losses = self.positive_weight * lists.weigh(positive).sum() + lists.weigh(weights[:, 1:] * negatives).sum()
        return losses / lists.present.sum()


class Listwise(Objective):
    """Cross-entropy of finding the positive among a query's documents.

    With z the logits over the temperature t and w the weights of the negatives, the mean over the queries of

        -z_p + ln( exp(z_p) + sum over n of w_n exp(z_n) )

    References:
        - Gao et al. 2021, arXiv 2101.08751 (localised contrastive estimation), eq. 3.
        - Cao et al. 2007 (ListNet, top-1), with all of the probability on the positive.

    Relations:
        InfoNCE with the query's own negatives alone, on a reranker's logits. It leaves an offset free for each query:
        logits of two queries are not to be compared. `ListwiseAndPairs` ties it down.
    """

    type: Literal["listwise"] = "listwise"
    temperature: float = Field(default=1.0, gt=0)
    """What logits are divided by before the softmax."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the mean loss of the queries; see `Objective`."""
        logits = lists.kept / self.temperature + lists.all_weights().log()
        return lists.weigh(logits.logsumexp(dim=1) - logits[:, 0]).mean()


class ListwiseAndPairs(Objective):
    """The sum of `Listwise`, which ranking wants, and `BinaryCrossEntropy`, which makes scores probabilities. Ours."""

    type: Literal["listwise-and-pairs"] = "listwise-and-pairs"
    temperature: float = Field(default=1.0, gt=0)
    """As in `listwise`."""
    pairs_weight: float = Field(default=1.0, ge=0)
    """What the cross-entropy of the pairs is multiplied by."""
    positive_weight: float = Field(default=1.0, gt=0)
    """As in `binary-cross-entropy`."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the sum of both; see `Objective`."""
        listwise = Listwise(temperature=self.temperature)(lists)
        return listwise + self.pairs_weight * BinaryCrossEntropy(positive_weight=self.positive_weight)(lists)


class Dice(Objective):
    """One minus the soft Dice coefficient of a batch's pairs, for few positives among many negatives.

    With p the sigmoid of a logit, y 1 for a positive and 0 for a negative, w the weights of the negatives (1 for a
    positive), g the smoothing, and sums over all pairs of the batch, each pair as often as its query counts:

        1 - (2 sum p y + g) / (sum w p^2 + sum y + g)

    References:
        - Milletari et al. 2016 (V-Net), arXiv 1606.04797, sec. 3: the squares.
        - Li et al. 2020, arXiv 1911.02855, sec. 3.2: on text, with the smoothing.

    Relations:
        A soft F1: true negatives count nowhere, so that easy negatives do not drown the positives as in
        `BinaryCrossEntropy`. Its gradient vanishes where a positive is wrong with certainty, so start from a model
        that has learnt something. The factor (1 - p)^a of Li et al. is left out: it has a positive stop at p = 1 / (1 +
        a).
    """

    type: Literal["dice"] = "dice"
    smoothing: float = Field(default=1.0, gt=0)
    """Added above and below; the larger, the smoother."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the loss of the batch; see `Objective`."""
        import torch

        probabilities = lists.kept.sigmoid()
        both = 2 * lists.weigh(probabilities[:, 0]).sum() + self.smoothing
        squares = lists.weigh(lists.all_weights() * probabilities.square()).sum()
        return 1 - both / (squares + lists.weigh(torch.ones_like(lists.logits[:, 0])).sum() + self.smoothing)


class MarginMSE(Objective):
    """Squared error of the margins of a query's positive over its negatives against a teacher's.

    The mean of ((z_p - z_n) - (t_p - t_n))^2 over all pairs of a positive and a negative of the batch that the teacher
    scored both, z the logits and t its scores, or its margins where the training set has those.

    References:
        - Hofstätter et al. 2020, arXiv 2010.02666, eq. 7.

    Relations:
        Wants a teacher on the scale of logits: margins of probabilities are below 1. Weights do not enter.
    """

    type: Literal["margin-mse"] = "margin-mse"

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the mean squared error; 0 where the teacher knows no pair of the batch."""
        logits, wanted = lists.kept, lists.all_margins()
        known = wanted.isfinite()
        errors = (logits[:, :1] - logits[:, 1:] - wanted.masked_fill(~known, 0.0)).masked_fill(~known, 0.0)
        return lists.weigh(errors.square()).sum() / known.sum().clamp(min=1)

    def wants(self) -> frozenset[Want]:
        """A teacher's margins, or the scores that they follow from."""
        return frozenset({"margins"})


class Distillation(Objective):
    """Kullback-Leibler divergence of the student's softmax over a query's documents from a teacher's.

    With P = softmax(t / (t_f T)) of the teacher's scores and Q = softmax(z / T) of the logits, both over the documents
    that the teacher scored, the mean of T^2 sum P ln(P / Q) over the queries with two such documents or more.

    References:
        - Hinton et al. 2015, arXiv 1503.02531, sec. 2: soft targets, T^2.

    Relations:
        With all of the teacher's probability on the positive it is `Listwise`; for encoders the loss `kl` is the same.
        Weights do not enter.
    """

    type: Literal["distillation"] = "distillation"
    temperature: float = Field(default=1.0, gt=0)
    """T, which softens both sides."""
    teacher_temperature: float = Field(default=1.0, gt=0)
    """t_f, what makes the teacher's scores logits: 1 where they are, about .02 for probabilities (UniME-V2)."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the mean divergence; 0 where no query of the batch has two scored documents."""
        import torch

        scored = lists.scored
        rows = scored.sum(dim=1) > 1
        if lists.teacher is None or not bool(rows.any()):
            return lists.kept.sum() * 0.0
        out = ~scored[rows]
        scores = lists.teacher[rows].to(lists.logits.dtype) / (self.temperature * self.teacher_temperature)
        wanted = scores.masked_fill(out, -torch.inf).softmax(1)
        found = (lists.kept[rows] / self.temperature).masked_fill(out, -torch.inf).log_softmax(1).masked_fill(out, 0.0)
        # xlogy is 0 at 0, where a plain product would be nan.
        divergence = (torch.xlogy(wanted, wanted) - wanted * found).sum(dim=1)
        whole = torch.zeros_like(lists.logits[:, 0]).masked_scatter(rows, divergence)
        return self.temperature**2 * lists.weigh(whole).sum() / rows.sum()

    def wants(self) -> frozenset[Want]:
        """A teacher's scores."""
        return frozenset({"teacher scores"})


class PairAndList(Objective):
    """UniME-V2's two questions to a language model: is this document an answer, and which one of these is it?

    The sum of two means: over the positive and the hardest negative of each query, the cross-entropy of yes and no
    (`BinaryCrossEntropy` on log-odds of yes); and over the queries, the cross-entropy of the positive's letter among
    those of its shuffled list, whose logits are the next token's.

    The hardest negative is the one with the highest teacher score where the teacher scored any, else the first one of
    the group.

    References:
        - Gu et al. 2025 (UniME-V2), arXiv 2510.13515, and the authors' code: both losses. That only yes and no, and
          only the letters of a list, are in the softmax is ours.

    Relations:
        Wants a start of type `llm-yes-no`. The model that comes out is asked for yes or no alone.
    """

    type: Literal["pair-and-list"] = "pair-and-list"
    list_weight: float = Field(default=1.0, ge=0)
    """What the cross-entropy of the list is multiplied by."""
    list_template: str | None = None
    """What is asked of a list, with `{query}` and `{documents}` in it; Pyrite's own question where empty."""

    def __call__(self, lists: ScoredLists) -> torch.Tensor:
        """Return the cross-entropy of yes and no on lists of two; `choice` is the other half."""
        return BinaryCrossEntropy()(lists)

    def choice(
        self, logits: torch.Tensor, present: torch.Tensor, places: torch.Tensor, weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the mean cross-entropy of finding the positive's letter.

        Args:
            logits: Of the letters, in the order of the shuffled list: shape (B, 1 + K).
            present: Boolean, shape (B, 1 + K): False marks letters that a list does not have.
            places: Where the positive stands in each list: shape (B,).
            weights: How often each query counts: shape (B,); None for once.
        """
        import torch
        from torch.nn import functional

        losses = functional.cross_entropy(logits.masked_fill(~present, -torch.inf), places, reduction="none")
        return (losses if weights is None else losses * weights).mean()

    def hardest(self, lists: ScoredLists) -> torch.Tensor:
        """Return the column of the hardest negative of each query, from 1; of no meaning without negatives: (B,)."""
        import torch

        if lists.teacher is None:
            return torch.ones(len(lists.present), dtype=torch.long)
        scores = lists.teacher.masked_fill(~lists.scored, -torch.inf)[:, 1:]
        return 1 + scores.argmax(dim=1)


ObjectiveSettings = Annotated[
    BinaryCrossEntropy | Listwise | ListwiseAndPairs | Dice | MarginMSE | Distillation | PairAndList,
    Field(discriminator="type"),
]
"""An objective by its `type`."""
