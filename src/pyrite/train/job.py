"""What a training is given beside its settings, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyrite.data import Corpus, Queries, TrainingLog
from pyrite.models.protocols import Encoder

__all__ = ["Dev", "TrainingJob", "TrainingResult", "TrainingTexts"]

Dev = Callable[[Path], float]
"""Measures a model folder on queries held out for selection: nDCG@10, larger is better."""


@dataclass(frozen=True, slots=True)
class TrainingTexts:
    """The texts that a training set's ids stand for.

    Attributes:
        corpus: Holds every positive and every negative.
        queries: Holds every query.
        guide: An encoder that says which documents are near a query, for the loss of type `guided`.
    """

    corpus: Corpus
    queries: Queries
    guide: Encoder | None = None


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Where and on what a training runs. Nothing here changes its result, hardware's rounding apart.

    Attributes:
        workdir: A folder of this training's own, which may outlive a kill. Checkpoints lie in it, so that the same
            call with the same folder goes on where the last one was cut off; so does the trained model.
        device: "cpu", "cuda", "cuda:1", ... or "auto": for transformers the GPU where there is one, for static
            encoders the processor, which memory limits and not arithmetic.
        checkpoint_steps: Steps between two checkpoints; there is one at the end of each epoch as well.
        mini_batch_tokens: Tokens, padding included, that a transformer takes at once. A batch with more goes through it
            twice, in mini-batches, and needs the memory of one of them. None takes a batch at once. The result is the
            same up to rounding, and up to which units dropout draws.
        trackers: Where to send what the log says, and the speed and the memory: names that transformers' `report_to`
            takes.
        trackers_folder: Where trackers write; inside it, a training has a folder of its own, which a later call goes on
            with. None for `trackers` in the working folder.
        on_step: Called after each step with the steps done and the steps in all.
        on_checkpoint: Called after each checkpoint is in place.
    """

    workdir: Path
    device: str = "auto"
    checkpoint_steps: int = 500
    mini_batch_tokens: int | None = None
    trackers: Sequence[str] = ("tensorboard",)
    trackers_folder: Path | None = None
    on_step: Callable[[int, int], None] | None = None
    on_checkpoint: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A trained encoder.

    Attributes:
        folder: What `SentenceTransformer(folder)` loads, or for a reranker `CrossEncoder(folder)`; inside the job's
            `workdir`.
        log: Entries "loss", "epoch-loss", "learning-rate", "gradient-norm", the facts that the loss tells (such as
            "negative-cosine") and, with a dev function, "dev".
        best_epoch: The epoch whose weights these are; 0 where no epoch was better than no training.
    """

    folder: Path
    log: TrainingLog
    best_epoch: int
