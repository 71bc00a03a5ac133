"""Whether a training has what it cannot do without; asked before anything is computed."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.errors import DataError, ModelError, SettingsError
from pyrite.models.folder import ModelFolder
from pyrite.models.protocols import Encoder
from pyrite.train.examples import Examples
from pyrite.train.losses.loss import Loss, Want
from pyrite.train.settings import StaticTrainer, TransformerTrainer

__all__ = [
    "check_contrast",
    "check_guide",
    "check_length",
    "check_model",
    "check_static",
    "check_wants",
    "lacks_teacher",
]


def check_model(model: Path, settings: StaticTrainer | TransformerTrainer) -> None:
    """Raise where a model is not of the kind that a trainer trains.

    Raises:
        ModelError: It is a static encoder and the settings say transformer, or the other way round.
    """
    if isinstance(settings, StaticTrainer):
        check_static(model)
    elif "StaticEmbedding" in [name for name, _ in ModelFolder.open(model).modules()]:
        raise ModelError(f"{model}: a static encoder, and the settings say transformer; set type: static")


def check_length(network: Any, max_length: int | None) -> None:
    """Raise where a transformer that learnt a vector for each position has fewer of them than tokens are to be read.

    Args:
        network: The model, a torch module.
        max_length: Tokens of a text; None asks for nothing.

    Raises:
        SettingsError: Longer texts would have no positions.
    """
    for name, part in network.named_modules() if max_length is not None else ():
        if name.endswith("position_embeddings") and hasattr(part, "num_embeddings"):
            # RoBERTa and its kin count from behind the padding token's number.
            room = part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
            if max_length > room:
                raise SettingsError(
                    f"max_length: {max_length} is more than the {room} tokens that the model has positions for; give "
                    "that many at most, or leave it out"
                )


def check_static(model: Path) -> str:
    """Return where in the folder of a static encoder its table and tokenizer lie; empty for the folder itself.

    Raises:
        ModelError: The model is not a `StaticEmbedding`, alone or with a `Normalize` behind it.
    """
    modules = ModelFolder.open(model).modules()
    names = [name for name, _ in modules]
    if names[:1] != ["StaticEmbedding"] or set(names[1:]) - {"Normalize"}:
        raise ModelError(
            f"{model}: its modules are {', '.join(names) or 'none'}, and the trainer of type 'static' wants a "
            "StaticEmbedding (a Normalize may follow); for a transformer set type: transformer"
        )
    return modules[0][1]


def lacks_teacher(wants: Collection[Want], examples: Examples) -> bool:
    """Say whether a teacher's scores or margins are wanted and the training set carries them for no pair in use."""
    scored = examples.teacher is not None and bool((np.isfinite(examples.teacher).sum(axis=1) > 1).any())
    margins = scored or (examples.margins is not None and bool(np.isfinite(examples.margins).any()))
    return ("teacher scores" in wants and not scored) or ("margins" in wants and not margins)


def check_wants(loss: Loss, examples: Examples, guide: Encoder | None) -> None:
    """Raise where something that the loss wants is not there.

    Args:
        loss: The loss.
        examples: The training set, resolved.
        guide: The guide, or None.

    Raises:
        DataError: It wants a teacher's scores, and the training set carries them for no pair in use.
        SettingsError: It wants a guide and there is none, or there is one that it has no use for.
    """
    if lacks_teacher(loss.wants(), examples):
        raise DataError(
            "the loss wants a teacher's scores, and of no query does the training set carry those of two documents in "
            "use: let the stage teacher-scores add them, with negatives: 1 or more, or take a loss without a teacher, "
            "such as type: infonce"
        )
    check_guide(loss, guide)


def check_contrast(loss: Loss, examples: Examples, batch_size: int) -> None:
    """Raise where no query has anything to be contrasted with, so that the loss would be 0 throughout.

    Args:
        loss: The loss.
        examples: The training set, resolved.
        batch_size: Pairs in a batch.

    Raises:
        SettingsError: No mined negatives are used, and the batch gives none.
    """
    if (examples.negatives >= 0).any():
        return
    if loss.needs_mined():
        cause, remedy = "the loss looks at a query's own mined negatives alone, and leaves", "another loss"
    elif batch_size == 1:
        cause, remedy = "batch_size: 1 leaves", "a larger batch_size"
    elif len(np.unique(examples.query_keys)) == 1:
        cause, remedy = "a training set of a single query leaves", "more queries"
    else:
        return
    raise SettingsError(
        f"{cause} nothing to contrast a query with, since no mined negatives are used; give {remedy}, or a training "
        "set with negatives and negatives: 1 or more"
    )


def check_guide(loss: Loss, guide: Encoder | None) -> None:
    """Raise where a guide is missing, or there is one for nothing.

    Raises:
        SettingsError: The loss wants a guide and there is none, or there is one that it has no use for.
    """
    wants = loss.wants()
    if "guide" in wants and guide is None:
        raise SettingsError(
            "the loss 'guided' wants a guide: give the training another encoder as its guide (the input guide of the "
            "stages train and train-rounds, or TrainingTexts.guide), or set by: teacher for a training set that has "
            "teacher scores"
        )
    if guide is not None and "guide" not in wants:
        raise SettingsError("there is a guide, and the loss has no use for it: leave it out, or set type: guided")
