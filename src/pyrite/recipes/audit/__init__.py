"""The audit of a mined set, anyone's: doubles, relevant negatives, leakage, estimated false negatives, shortcuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from pyrite.data import Qrels
from pyrite.data.formats.lines import raise_problems
from pyrite.data.formats.parts import KnownTexts
from pyrite.data.formats.training import Format, Positives, guess_format, known_texts, read_examples
from pyrite.errors import DataError, Problem
from pyrite.metrics.duplicates import Resemblance
from pyrite.models.protocols import PairScorer
from pyrite.recipes.audit.doubles import (
    copied_documents,
    near_duplicate_negatives,
    near_duplicates,
    near_positives,
    repeated_negatives,
    repeated_rows,
    two_texts,
)
from pyrite.recipes.audit.false_negatives import EncoderScorer, estimated_false_negatives
from pyrite.recipes.audit.mined_set import MinedSet
from pyrite.recipes.audit.relevance import (
    Judged,
    copies_of_queries,
    evaluation_documents,
    evaluation_queries,
    no_negatives,
    positives_among,
)
from pyrite.recipes.audit.shortcuts import length_shortcut, look_shortcuts, separations, source_shortcuts
from pyrite.report.audit import AuditReport
from pyrite.settings import Settings

__all__ = ["AuditSettings", "Beside", "EncoderScorer", "audit_training_file"]

_TRAINING = "train"


class AuditSettings(Settings):
    """What an audit looks for, and how much of it it shows."""

    resemblance: Resemblance = Resemblance()
    """When two texts are near-duplicates."""
    margin: float = Field(default=0.05, ge=0)
    """How near a negative's score has to come to the lowest positive's to count as near, as a share of it."""
    sample: int | None = Field(default=None, ge=1)
    """How many queries are scored by the scorer; None for all."""
    shown: int = Field(default=10, ge=0)
    """How many examples of each finding are shown."""


@dataclass(frozen=True)
class Beside:
    """What an audit is given beside the file.

    Attributes:
        known: The texts of a corpus and of queries: of ids in the file, and of ids in the judgements.
        qrels: {split: judgements}: "train" names known positives, every other one is an evaluation split.
        positives: Which documents are positives, for a file of PyLate that does not say it.
        scorer: What estimates false negatives, or None.
        scorer_name: What to call it.
    """

    known: KnownTexts = field(default_factory=KnownTexts)
    qrels: Mapping[str, Qrels] = field(default_factory=dict)
    positives: Positives = None
    scorer: PairScorer | None = None
    scorer_name: str = ""


def audit_training_file(
    path: Path,
    file_format: Format | None = None,
    beside: Beside | None = None,
    settings: AuditSettings | None = None,
) -> AuditReport:
    """Look through a mined set in any of the formats.

    Rows are taken as they stand: what is double or contradicts itself is counted, and is no error as it is when a
    file is read for training.

    Args:
        path: The file.
        file_format: Its format; None to tell it from the content.
        beside: Texts, judgements, and a scorer.
        settings: What to look for.

    Returns:
        One finding for each thing that was looked for, with examples.

    Raises:
        DataError: The file cannot be read as that format; each fault is listed with its line.
        ModelError: The scorer gives scores that are no numbers.
    """
    path, beside, settings = Path(path), beside or Beside(), settings or AuditSettings()
    file_format = file_format or guess_format(path)
    known = known_texts(path, file_format, beside.known)
    problems: list[Problem] = []
    mined = MinedSet.of(read_examples(path, file_format, problems, {}, beside.positives), known)
    raise_problems(problems, f"the training file {path}")
    if not mined.rows:
        raise DataError(f"{path}: holds no examples")
    return _report(path, file_format, mined, beside, known, settings)


def _report(
    path: Path, file_format: Format, mined: MinedSet, beside: Beside, known: KnownTexts, settings: AuditSettings
) -> AuditReport:
    judged = {name: Judged.of(name, qrels, known.corpus, known.queries) for name, qrels in beside.qrels.items()}
    splits = [split for name, split in judged.items() if name != _TRAINING]
    near, shown = near_duplicates(mined, settings.resemblance), settings.shown
    shortcuts = separations(mined)
    findings = (
        positives_among(mined, judged.get(_TRAINING), shown),
        near_positives(mined, near, shown),
        estimated_false_negatives(mined, beside.scorer, settings.margin, settings.sample, shown),
        evaluation_queries(mined, splits, settings.resemblance, shown),
        evaluation_documents(mined, splits, "negatives", shown),
        evaluation_documents(mined, splits, "positives", shown),
        length_shortcut(mined, shortcuts),
        look_shortcuts(mined, shortcuts),
        source_shortcuts(mined),
        repeated_rows(mined, shown),
        repeated_negatives(mined, shown),
        near_duplicate_negatives(mined, near, shown),
        copies_of_queries(mined, shown),
        no_negatives(mined, shown),
        copied_documents(mined, shown),
        two_texts(mined, shown),
    )
    given = {
        "scorer": beside.scorer_name if beside.scorer else None,
        "queries scored": settings.sample if beside.scorer else None,
        "splits": ", ".join(judged) or None,
        "near-duplicates": f"from a resemblance of {settings.resemblance.threshold:g} on",
    }
    return AuditReport(
        str(path), file_format, _counts(mined), findings, {name: value for name, value in given.items() if value}
    )


def _counts(mined: MinedSet) -> dict[str, int]:
    lost = sum(document.text is None for document in mined.documents)
    counts = {
        "rows": len(mined.rows),
        "queries": len(mined.queries),
        "positives": sum(map(len, mined.positives())),
        "negatives": sum(map(len, mined.negatives())),
        "documents": len(mined.documents),
    }
    return counts | ({"documents without text": lost} if lost else {})
