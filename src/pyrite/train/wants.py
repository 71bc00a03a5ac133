"""Whether a training has what its loss cannot do without; asked before anything is computed."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from pyrite.errors import DataError, SettingsError
from pyrite.models.protocols import Encoder
from pyrite.train.examples import Examples
from pyrite.train.losses.loss import Loss, Want

__all__ = ["check_wants", "lacks_teacher"]


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
    wants = loss.wants()
    if lacks_teacher(wants, examples):
        raise DataError(
            "the loss wants a teacher's scores, and of no query does the training set carry those of two documents in "
            "use: let the stage teacher-scores add them, with negatives: 1 or more, or take a loss without a teacher, "
            "such as type: infonce"
        )
    if "guide" in wants and guide is None:
        raise SettingsError(
            "the loss 'guided' wants a guide: give the training another encoder as its guide (the input guide of the "
            "stage train, or TrainingTexts.guide), or set by: teacher for a training set with teacher scores"
        )
    if guide is not None and "guide" not in wants:
        raise SettingsError("there is a guide, and the loss has no use for it: leave it out, or set type: guided")
