"""Losses that teach the student a teacher's scores of a query's own documents."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.loss import Loss, Parameters, Want
from pyrite.train.losses.similarity import own_cosines
from pyrite.train.losses.temperature import TemperedLoss

if TYPE_CHECKING:
    import torch

__all__ = ["KLDistillation", "MarginMSE", "SoftLabels"]

_FAR = math.ldexp(1.0, 60)
"""Its negative has the exponential 0 in any precision."""


class MarginMSE(Loss):
    r"""Squared difference between the student's margin and the teacher's.

    With s the cosine, f the teacher's score and a scale a,

        L = mean over (i, k) of ( a (s(q_i, p_i) - s(q_i, n_ik)) - (f(q_i, p_i) - f(q_i, n_ik)) )^2

    over the pairs that the teacher has scored: margins of the training set where there are such, else differences of
    scores. A cosine margin is 2 at most, a cross-encoder's 20: so the student wants a scale, given or learnt.

    References:
        - Hofstätter et al. 2020, arXiv 2010.02666, eq. 3.
        - Wang et al. 2022 (GPL), arXiv 2112.07577: margins of a cross-encoder for generated queries.

    Relations:
        With scale 1, unit vectors and every pair scored, the value and gradient of sentence-transformers'
        `MarginMSELoss`.

    Example:
        ```python
        MarginMSE(scale=10)(LossBatch.of(queries, positives, negatives, teacher=scores)).backward()  # (B, 1 + K)
        ```
    """

    type: Literal["margin-mse"] = "margin-mse"
    scale: float = Field(default=10.0, gt=0)
    """What cosine margins are multiplied by; about half of the teacher's largest margins."""
    learn_scale: bool = False
    """Whether the scale is learnt, as its logarithm, from this one on."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean loss; see `Loss`. Without a single scored pair it is 0."""
        cosines, _ = own_cosines(batch)
        wanted, scored = _margins(batch)
        view = batch.view
        found = self._scale(parameters) * (cosines[:, :1] - cosines[:, 1:])
        squares = (found - wanted[view].to(found.dtype)).square() * scored[view]
        return batch.total(squares.sum(dim=1)) / scored.sum().clamp(min=1)

    def wants(self) -> frozenset[Want]:
        """Return margins."""
        return frozenset({"margins"})

    def needs_mined(self) -> bool:
        """Return True: the candidates are a query's own."""
        return True

    def parameters(self) -> dict[str, float]:
        """Return the logarithm of the scale, where it is learnt."""
        return {"log-scale": math.log(self.scale)} if self.learn_scale else {}

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what `Loss.facts` has, the share of the negatives with a margin, and the learnt scale."""
        _, scored = _margins(batch)
        view = batch.view
        facts = super().facts(batch, parameters)
        facts["scored-share"] = float(scored[view].sum() / batch.present[view].sum().clamp(min=1))
        return facts | ({"scale": float(self._scale(parameters))} if self.learn_scale else {})

    def _scale(self, parameters: Parameters | None) -> torch.Tensor | float:
        return parameters["log-scale"].exp() if self.learn_scale and parameters is not None else self.scale


def _margins(batch: LossBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the teacher's margins of the whole batch, 0 where there is none, and where there is one: (B, K) each."""
    import torch

    margins = torch.full_like(batch.present, torch.nan, dtype=batch.documents.dtype)
    if batch.teacher is not None:
        margins = (batch.teacher[:, :1] - batch.teacher[:, 1:]).to(margins.dtype)
    if batch.margins is not None:
        margins = torch.where(batch.margins.isnan(), margins, batch.margins.to(margins.dtype))
    scored = margins.isfinite() & batch.present
    return margins.masked_fill(~scored, 0.0), scored


class _Distillation(TemperedLoss):
    """What losses on a teacher's distribution share: two softmaxes over the same scored candidates."""

    teacher_temperature: float = Field(default=1.0, gt=0)
    """What the teacher's scores are divided by: about 1 for a cross-encoder's logits, about .02 for a judge's
    probabilities. At the student's temperature, logits would make one candidate certain."""

    def __call__(self, batch: LossBatch, parameters: Parameters | None = None) -> torch.Tensor:
        """Return the mean over the queries of which a teacher scored two documents; 0 where there is none."""
        cosines, _ = own_cosines(batch)
        view, scored = batch.view, _scored(batch)
        student = _log_softmax(cosines / (self._tau(parameters) * self._softening()), scored[view])
        teacher = self._teacher(batch, scored)[view].to(student.dtype)
        losses = self._divergence(teacher, student, scored[view]).sum(dim=1)
        return batch.total(losses) / scored.any(dim=1).sum().clamp(min=1)

    def wants(self) -> frozenset[Want]:
        """Return teacher scores."""
        return frozenset({"teacher scores"})

    def needs_mined(self) -> bool:
        """Return True: the candidates are a query's own."""
        return True

    def facts(self, batch: LossBatch, parameters: Parameters | None = None) -> dict[str, float]:
        """Return what `Loss.facts` has, the share of the candidates in use, and the teacher's entropy in nats.

        An entropy near 0 is a teacher that is certain: its temperature is too low. One near ln(1 + K) says nothing.
        """
        view, scored = batch.view, _scored(batch)
        facts = super().facts(batch, parameters)
        own = batch.present[view].sum() + len(scored[view])
        facts["scored-share"] = float(scored[view].sum() / own)
        if bool(scored[view].any()):
            logs = self._teacher(batch, scored)[view]
            entropies = -(logs.exp() * logs).masked_fill(~scored[view], 0.0).sum(dim=1)
            facts["teacher-entropy"] = float(entropies[scored[view].any(dim=1)].mean())
        return facts

    def _teacher(self, batch: LossBatch, scored: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of the teacher's distributions: shape (B, 1 + K)."""
        import torch

        scores = torch.zeros_like(scored, dtype=batch.documents.dtype) if batch.teacher is None else batch.teacher
        return _log_softmax(scores.nan_to_num() / (self.teacher_temperature * self._softening()), scored)

    def _softening(self) -> float:
        return 1.0

    @abstractmethod
    def _divergence(self, teacher: torch.Tensor, student: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
        """Return what each candidate adds: shape (R, 1 + K), from logarithms of probabilities."""


def _scored(batch: LossBatch) -> torch.Tensor:
    """Return which own candidates take part: those with a score, in queries that have two: boolean, (B, 1 + K)."""
    import torch

    there = torch.cat([batch.present.new_ones(batch.size, 1), batch.present], dim=1)
    scored = torch.zeros_like(there) if batch.teacher is None else batch.teacher.isfinite() & there
    return scored & (scored.sum(dim=1, keepdim=True) > 1)


def _log_softmax(logits: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of a softmax over the kept candidates of each row; the others mean nothing."""
    return logits.masked_fill(~kept, -_FAR).log_softmax(dim=1)


def _kl(p: torch.Tensor, q: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """Return the terms of KL(p || q) from logarithms, 0 where a candidate is not kept."""
    return (p.exp() * (p - q)).masked_fill(~kept, 0.0)


class KLDistillation(_Distillation):
    """Cross-entropy between the teacher's softmax and the student's, less the teacher's entropy.

    Over the candidates C_i of a query, its positive and mined negatives, with s the cosine and f the teacher's score,

        L_i = T^2 KL( softmax_{C_i}(f / (t_f T)) || softmax_{C_i}(s / (t T)) )

    t turns cosines into logits, t_f does so with the teacher's scores, and T softens both; T^2 keeps the gradient's
    size. A candidate without a score leaves both softmaxes. A query of which fewer than two are scored has no loss.

    References:
        - Hinton et al. 2015, arXiv 1503.02531, sec. 2, for T.
        - Lin et al. 2020, arXiv 2010.11386; Ren et al. 2021 (RocketQAv2), arXiv 2110.07367, for retrieval.
        - LG-ANNA-Embedding, arXiv 2506.07438: InfoNCE plus this, at t = .02, is a reconstruction.

    Relations:
        sentence-transformers' `DistillKLDivLoss` with student temperature t T and teacher temperature t_f T, and unit
        vectors, is this one times t^2, value and gradient.

    Example:
        ```python
        KLDistillation()(LossBatch.of(queries, positives, negatives, teacher=scores)).backward()  # (B, 1 + K)
        ```
    """

    type: Literal["kl"] = "kl"
    softening: float = Field(default=1.0, gt=0)
    """T: above 1, the less likely candidates count more."""

    def _softening(self) -> float:
        return self.softening

    def _divergence(self, teacher: torch.Tensor, student: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
        return self.softening**2 * _kl(teacher, student, scored)


class SoftLabels(_Distillation):
    """A symmetric divergence between the student's distribution and the teacher's.

    Over the candidates of a query, with P = softmax(s / t) and Q = softmax(f / t_f),

        half-jeffreys:  (KL(P || Q) + KL(Q || P)) / 2
        jensen-shannon: (KL(P || M) + KL(Q || M)) / 2,  M = (P + Q) / 2

    A candidate without a score leaves both softmaxes.

    References:
        UniME-V2, arXiv 2510.13515: its code has half the Jeffreys divergence, with t = t_f = .02 on a judge's
        probabilities; its text says Jensen-Shannon.

    Relations:
        `KLDistillation` has the second half of the first alone.

    Example:
        ```python
        loss = SoftLabels(temperature=0.02, teacher_temperature=0.02)
        loss(LossBatch.of(queries, positives, negatives, teacher=probabilities)).backward()  # (B, 1 + K)
        ```
    """

    type: Literal["soft-labels"] = "soft-labels"
    divergence: Literal["half-jeffreys", "jensen-shannon"] = "half-jeffreys"
    """Which divergence; Jensen-Shannon's is at most ln 2 and forgives a student that is far off."""

    def _divergence(self, teacher: torch.Tensor, student: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
        if self.divergence == "half-jeffreys":
            return (_kl(student, teacher, scored) + _kl(teacher, student, scored)) / 2
        middle = student.logaddexp(teacher) - math.log(2)
        return (_kl(student, middle, scored) + _kl(teacher, middle, scored)) / 2
