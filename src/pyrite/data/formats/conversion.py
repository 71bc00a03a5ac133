"""One training file turned into another: all of it, or nothing and an error."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.compute as pc

from pyrite.data.formats.examples import TrainingParts, used_documents
from pyrite.data.formats.fitting import Written
from pyrite.data.formats.parts import Conflicts, KnownTexts
from pyrite.data.formats.training import (
    Format,
    Positives,
    TrainingLayout,
    guess_format,
    read_training_set,
    write_training_set,
)
from pyrite.errors import DataError

__all__ = ["Conversion", "convert_file"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a conversion read and wrote.

    Attributes:
        source_format: The format of the file read.
        queries: Queries read, one a group.
        positives: Positives of all groups.
        negatives: Negatives of all groups.
        documents: Documents that the groups refer to.
        dropped_conflicts: Negatives that are positives of their query as well and were left out, where that was asked.
        without_text: Those of them whose text is not at hand, which only a format of ids does without.
        written: What was written and what the new file does not hold.
        files: The file, and those of texts beside it.
    """

    source_format: Format
    queries: int
    positives: int
    negatives: int
    documents: int
    dropped_conflicts: int
    without_text: int
    written: Written
    files: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return asdict(self) | {"files": list(self.files)}


def convert_file(
    source: Path,
    target: Path,
    layout: TrainingLayout,
    source_format: Format | None = None,
    known: KnownTexts | None = None,
    positives: Positives = None,
    conflicts: Conflicts = "error",
) -> Conversion:
    """Turn a training file into one of another layout.

    The source is read line by line and the target written group by group; between them lie the groups, and each text
    once, in Arrow tables. Files appear under their names when all of them are written.

    Args:
        source: The file.
        target: The new file; nothing of its name, or of the texts beside it, may be there yet.
        layout: What it looks like.
        source_format: The source's format; None to tell it from the content.
        known: What the source's ids stand for.
        positives: Which documents are positives, for a file of PyLate that does not say it.
        conflicts: What becomes of negatives that are positives of their query.

    Returns:
        What was read, written and left out.

    Raises:
        DataError: The source has faults, the layout cannot hold it, or a file of that name is there.
        SettingsError: The layout wants another suffix.
    """
    source, target = Path(source), Path(target)
    _check_free(target)
    source_format = source_format or guess_format(source)
    parts = read_training_set(source, source_format, known, positives, conflicts)
    with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder:
        written = write_training_set(parts, Path(folder, target.name), layout)
        made = sorted(path.name for path in Path(folder).iterdir())
        for name in made:
            _check_free(target.with_name(name))
        for name in made:
            Path(folder, name).rename(target.with_name(name))
    return _account(parts, source_format, written, made)


def _check_free(path: Path) -> None:
    if path.exists():
        raise DataError(f"{path}: is there already; choose another name or remove it")
    if not path.parent.is_dir():
        raise DataError(f"{path.parent}: no such folder")


def _account(parts: TrainingParts, source_format: Format, written: Written, files: list[str]) -> Conversion:
    documents = used_documents(parts.training_set)
    lengths = {
        name: int(pc.sum(pc.list_value_length(parts.training_set.column(f"{name}_ids"))).as_py())
        for name in ("positive", "negative")
    }
    return Conversion(
        source_format,
        len(parts.training_set),
        lengths["positive"],
        lengths["negative"],
        len(documents),
        parts.training_set.metadata.get("dropped_conflicts", 0),
        sum(doc_id not in parts.corpus for doc_id in documents),
        written,
        tuple(files),
    )
