"""A loss with the memory of a block of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pyrite.train.losses.batch import LossBatch

if TYPE_CHECKING:
    from pyrite.train.losses.loss import Loss, Parameters

__all__ = ["block_rows", "first_facts", "in_blocks"]

_LOGITS = 1 << 22


def block_rows(batch: LossBatch) -> int:
    """Return how many queries may be in view at once, for some 4 million logits: 16 MiB a copy in 32 bits."""
    return max(1, _LOGITS // len(batch.documents))


def in_blocks(
    loss: Loss, batch: LossBatch, parameters: Parameters | None = None, rows: int | None = None
) -> torch.Tensor:
    """Return the loss of the queries of a batch that are in view, one block of them after the other.

    Value and gradient are those of the whole, up to rounding. The gradient on vectors and parameters is worked out at
    once, block by block, so that the logits of one block alone are ever in memory; `backward` only hands it on.

    Args:
        loss: Any loss.
        batch: The batch.
        parameters: The scalars that the loss learns.
        rows: Queries in a block; None for `block_rows`.

    Returns:
        A scalar.
    """
    rows = block_rows(batch) if rows is None else rows
    view = range(batch.view.start, batch.view.stop)
    if rows >= len(view):
        return loss(batch, parameters)
    given = [batch.queries, batch.documents, *(parameters or {}).values()]
    leaves = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in given]
    apart = batch.with_vectors(*leaves[:2])
    learnt = None if parameters is None else dict(zip(parameters, leaves[2:], strict=True))
    total = torch.zeros((), dtype=batch.queries.dtype, device=batch.queries.device)
    for start in view[::rows]:
        part = loss(apart.rows(start, min(start + rows, view.stop)), learnt)
        if part.requires_grad:
            torch.autograd.backward(part)
        total += part.detach()
    known: torch.Tensor = _Known.apply(total, [leaf.grad for leaf in leaves], *given)  # type: ignore[no-untyped-call]
    return known


def first_facts(loss: Loss, batch: LossBatch, parameters: Parameters) -> dict[str, float]:
    """Return the facts that a loss tells of the first block of a batch; no gradient flows."""
    start, stop = batch.view.start, min(batch.view.stop, batch.view.start + block_rows(batch))
    shown = batch.with_vectors(batch.queries.detach(), batch.documents.detach()).rows(start, stop)
    with torch.no_grad():
        return loss.facts(shown, {name: value.detach() for name, value in parameters.items()})


class _Known(torch.autograd.Function):
    """A value whose gradients are known already."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, gradients: list[torch.Tensor | None], *_: torch.Tensor) -> torch.Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return None, None, *(None if gradient is None else gradient * upstream for gradient in ctx.gradients)
