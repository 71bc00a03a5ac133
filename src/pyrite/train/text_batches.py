"""A batch's texts on their way to the loss: shared out, tokenised, cut, encoded and gathered."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel

from pyrite.train.batches import make_batch
from pyrite.train.learnt import Learnt
from pyrite.train.losses.batch import LossBatch
from pyrite.train.losses.blocks import first_facts, in_blocks
from pyrite.train.losses.loss import Loss
from pyrite.train.mini_batches import Features, cached_vectors, cut_features
from pyrite.train.processes import Processes
from pyrite.train.task import TrainingTask

__all__ = ["BatchLoss", "Collator"]


@dataclass(frozen=True, slots=True)
class Collator:
    """Resolves the pairs of a batch to this process's share of its texts, tokenised, prompts included.

    A document that stands in several places of a batch is encoded once, by one process.

    Attributes:
        task: The training set and the prompts.
        model: Tokenises.
        max_length: Tokens of a text that are read; None for the model's own maximum.
    """

    task: TrainingTask
    model: SentenceTransformer
    max_length: int | None

    def __call__(self, members: Sequence[int]) -> dict[str, Any]:
        """Return what `BatchLoss` takes, under the names of its arguments."""
        examples = self.task.examples
        batch = make_batch(examples, np.array(members))
        rows, copies = np.unique(batch.documents, return_inverse=True)
        shares = _Shares.of(self.task.processes, len(batch.queries), len(rows))
        own_queries, own_documents = shares.own
        queries, order = self._tokenise(
            [examples.query_texts[batch.queries[row]] for row in own_queries], self.task.query_prompt
        )
        documents, others = self._tokenise(
            [examples.document_texts[rows[row]] for row in own_documents], self.task.document_prompt
        )
        order = np.argsort(np.concatenate([order, len(order) + others]))
        places = shares.places()
        label = {
            "order": order[: shares.counts[self.task.processes.rank]],
            "queries": places[: len(batch.queries)],
            "documents": places[len(batch.queries) :][copies],
        }
        return {
            "parts": [*queries, *documents],
            "places": {name: torch.from_numpy(array) for name, array in label.items()},
            "counts": shares.counts,
            "fields": batch.tensors(),
        }

    def _tokenise(self, texts: list[str], prompt: str) -> tuple[list[Features], np.ndarray]:
        """Return texts in mini-batches, and the text of each row."""
        if not texts:
            return [], np.zeros(0, dtype=np.int64)
        length = {} if self.max_length is None else {"max_length": self.max_length}
        features = dict(self.model.preprocess(texts, prompt=prompt or None, **length))
        tokens = self.task.job.mini_batch_tokens
        return ([features], np.arange(len(texts))) if tokens is None else cut_features(features, tokens)


@dataclass(frozen=True, slots=True)
class _Shares:
    """Who encodes which texts of a batch.

    Attributes:
        queries: Each process's share of the queries.
        documents: And of the distinct documents.
        rank: Which process this is.
    """

    queries: list[range]
    documents: list[range]
    rank: int

    @classmethod
    def of(cls, processes: Processes, queries: int, documents: int) -> _Shares:
        return cls(processes.shares(queries), processes.shares(documents), processes.rank)

    @property
    def counts(self) -> list[int]:
        """The number of texts of each process."""
        return [len(own) + len(others) for own, others in zip(self.queries, self.documents, strict=True)]

    @property
    def own(self) -> tuple[range, range]:
        """The queries and the documents that this process encodes.

        Where there are more processes than texts, the first query stands in for a share of none: a wrapper of the
        model wants each process to take part in each step.
        """
        if self.counts[self.rank] == 0:
            return range(1), range(0)
        return self.queries[self.rank], self.documents[self.rank]

    def places(self) -> np.ndarray:
        """Return where the vector of each query, then of each document, lies among those of all processes."""
        first = self.queries[-1].stop
        ranges = [
            np.arange(part.start + start, part.stop + start)
            for own, others in zip(self.queries, self.documents, strict=True)
            for part, start in ((own, 0), (others, first))
        ]
        return np.argsort(np.concatenate(ranges))


class BatchLoss(torch.nn.Module):
    """The loss on the vectors of a batch's texts.

    Attributes:
        model: The encoder, or what the trainer wraps it in.
        facts: What the loss said of the last batch, where its step is one to log.
        lockstep: Whether all processes have to call the model equally often, as a sharded one wants.
    """

    def __init__(self, model: SentenceTransformer, loss: Loss, learnt: Learnt, task: TrainingTask) -> None:
        super().__init__()
        self.model = model
        self.facts: dict[str, float] = {}
        self.wants_facts = False
        self.lockstep = False
        # In a tuple, what is learnt is no part of this module, and no part of the encoder's groups of parameters.
        self._settled = (loss, learnt, task)

    @property
    def learnt(self) -> Learnt:
        """What the loss learns beside the encoder."""
        return self._settled[1]

    def forward(self, inputs: dict[str, Any], _: None = None) -> torch.Tensor:
        """Return the loss of the whole batch; its gradient is that of this process's share.

        Args:
            inputs: What a `Collator` returns, on the model's device.
        """
        loss, learnt, task = self._settled
        processes, places = task.processes, inputs["places"]
        # The gradient of `embedding` adds up in a fixed order, the one of indexing does not.
        own = functional.embedding(places["order"], self._vectors(inputs["parts"]))
        vectors = processes.gather(own, inputs["counts"])
        queries, documents = (functional.embedding(places[name], vectors) for name in ("queries", "documents"))
        batch = LossBatch(queries, documents, **inputs["fields"])
        share = processes.shares(batch.size)[processes.rank]
        seen = batch.rows(share.start, share.stop)
        parameters = {name: processes.shared(value) for name, value in learnt.by_name().items()}
        self.facts = processes.mean(first_facts(loss, seen, parameters)) if self.wants_facts else {}
        return processes.total(in_blocks(loss, seen, parameters))

    def _vectors(self, parts: list[Features]) -> torch.Tensor:
        """Return the vectors of all rows of all mini-batches."""
        tokens = self._settled[2].job.mini_batch_tokens
        if self.lockstep:
            parts = parts + parts[-1:] * (max(self._settled[2].processes.all(len(parts))) - len(parts))
        if tokens is None or sum(part["attention_mask"].numel() for part in parts) <= tokens:
            return torch.cat([self._encode(part) for part in parts])
        return cached_vectors(self._encode, parts, self._replaying)

    def _encode(self, part: Features) -> torch.Tensor:
        vectors: torch.Tensor = self.model(dict(part))["sentence_embedding"].float()
        return vectors

    def _replaying(self, last: bool) -> AbstractContextManager[Any]:
        """Let DDP average the gradients once, when all are there."""
        if last or not isinstance(self.model, DistributedDataParallel):
            return nullcontext()
        return self.model.no_sync()
