"""Vectors made elsewhere, as an encoder: it looks a text up instead of reading it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from pyrite.data import Corpus, Queries, ScoreKind
from pyrite.data.fingerprint import fingerprint_array
from pyrite.data.keys import KEY_BYTES, KeyTable, text_keys
from pyrite.errors import DataError, ModelError, Problem
from pyrite.models.protocols import Role
from pyrite.models.settings import PrecomputedSettings, VectorFiles
from pyrite.models.vector_files import VectorBlock, read_vectors
from pyrite.settings import Json

__all__ = ["VECTORS_FILE", "PrecomputedVectors", "import_vectors"]

VECTORS_FILE = "vectors.json"
_LOG = logging.getLogger(__name__)
_ROWS = 16_384
# Two texts that are the same may have been encoded in two batches: their vectors differ by rounding.
_SAME_TEXT = 1e-2


class PrecomputedVectors:
    """An `Encoder` over vectors that were made elsewhere, found by the exact text.

    Args:
        folder: Written by `import_vectors`.
    """

    def __init__(self, folder: Path) -> None:
        try:
            head = json.loads((folder / VECTORS_FILE).read_text(encoding="utf-8"))
            self._roles = {role: _Side(folder, role) for role in ("query", "document")}
            self._identity: Json = head["identity"]
            self.score_kind = ScoreKind(head["score_kind"])
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder}: holds no imported vectors, or damaged ones ({error})") from error
        self.dimension = int(self._roles["document"].vectors.shape[1])

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return the vectors of known texts: float32, shape (len(texts), dimension).

        Raises:
            ModelError: A text has no vector.
        """
        side = self._roles[role]
        rows = side.table.find(text_keys(texts))
        unknown = np.flatnonzero(rows < 0)
        if len(unknown):
            raise ModelError(
                f"no vector was imported for {len(unknown)} of {len(texts)} texts of the role {role!r}, the first "
                f"{texts[unknown[0]][:60]!r}; import the vectors together with the tables that they are used with"
            )
        return np.asarray(side.vectors[rows], dtype=np.float32)

    def identity(self) -> Json:
        """Return a hash of the vectors and their texts."""
        return self._identity


class _Side:
    """The vectors of one role, memory-mapped."""

    def __init__(self, folder: Path, role: str) -> None:
        self.vectors = np.load(folder / f"{role}.npy", mmap_mode="r")
        self._keys = folder / f"{role}.keys.npy"

    @cached_property
    def table(self) -> KeyTable:
        return KeyTable(np.load(self._keys))


def import_vectors(settings: PrecomputedSettings, corpus: Corpus, queries: Queries, folder: Path) -> PrecomputedVectors:
    """Bring vectors and texts together by their ids, and write them where `PrecomputedVectors` finds them.

    Args:
        settings: The files, and what to do with what does not match.
        corpus: The documents.
        queries: The queries.
        folder: Made where missing.

    Raises:
        DataError: Lists what is wrong with each file: ids that are unknown, missing or given twice; rows that are no
            vectors; texts that are the same and have different vectors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    documents = _Import(settings, settings.documents, corpus.ids(), corpus.texts, folder / "document.npy")
    asked = _Import(settings, settings.queries, queries.ids(), _slices(queries), folder / "query.npy")
    hashes = {"document": documents.write(partial=False), "query": asked.write(partial=settings.missing == "keep")}
    if documents.dimension != asked.dimension:
        raise DataError(
            f"{settings.queries.vectors}: vectors of {asked.dimension} components; those of the documents, "
            f"{settings.documents.vectors}, have {documents.dimension}"
        )
    cosine = settings.score == "cosine"
    head = {
        "score_kind": str(ScoreKind.COSINE if cosine else ScoreKind.DOT),
        "identity": {"precomputed": hashes, "score": settings.score},
    }
    (folder / VECTORS_FILE).write_text(json.dumps(head), encoding="utf-8")
    return PrecomputedVectors(folder)


def _slices(queries: Queries) -> Callable[[range], list[str]]:
    texts = queries.texts()
    return lambda rows: texts[rows.start : rows.stop]


@dataclass
class _Import:
    """One file on its way in.

    Attributes:
        settings: What to do with what does not match.
        files: The file.
        ids: The ids of the table.
        texts: Gives the texts of some rows of the table.
        target: Where the vectors go; their keys go beside them.
        dimension: Known once the first block was read.
    """

    settings: PrecomputedSettings
    files: VectorFiles
    ids: list[str]
    texts: Callable[[range], list[str]]
    target: Path
    dimension: int = 0
    _problems: list[Problem] = field(default_factory=list)
    _extra: int = 0

    def write(self, *, partial: bool) -> str:
        """Write vectors and keys; return a hash of both.

        Args:
            partial: Whether a row of the table may be without a vector.
        """
        positions = {row_id: row for row, row_id in enumerate(self.ids)}
        rows = np.full(len(self.ids), -1, dtype=np.int64)
        vectors: np.ndarray | None = None
        for block in read_vectors(self.files):
            if vectors is None:
                vectors = self._open(block)
            self._take(block, positions, rows, vectors)
        if vectors is None:
            raise DataError(f"{self.files.vectors}: holds no vectors")
        self._note_missing(rows, partial)
        keys = self._keys()
        self._note_conflicts(keys, rows, vectors)
        if self._problems:
            raise DataError(f"{self.files.vectors}: does not fit its texts", self._problems)
        if self._extra:
            _LOG.warning("%s: left out %d vectors of unknown ids", self.files.vectors, self._extra)
        return self._finish(keys, rows >= 0, vectors)

    def _open(self, block: VectorBlock) -> np.ndarray:
        self.dimension = block.vectors.shape[1]
        shape = (len(self.ids), self.dimension)
        return np.lib.format.open_memmap(self.target, mode="w+", dtype=np.float32, shape=shape)

    def _take(self, block: VectorBlock, positions: dict[str, int], rows: np.ndarray, vectors: np.ndarray) -> None:
        """Put the vectors of a block where their texts stand in the table."""
        if block.vectors.shape[1] != self.dimension:
            self._note(block.start, f"{block.vectors.shape[1]} components, where row 0 has {self.dimension}")
            return
        lengths = np.sqrt(np.einsum("ij,ij->i", block.vectors, block.vectors, dtype=np.float64))
        for offset, row_id in enumerate(block.ids):
            row = block.start + offset
            place = positions.get(row_id)
            if place is None:
                self._extra += 1
                if self.settings.extra == "error":
                    self._note(row, f"{row_id!r}: no such id among the texts (extra: drop leaves it out)")
            elif rows[place] >= 0:
                self._note(row, f"{row_id!r}: given before, in row {rows[place]}")
            else:
                rows[place] = row
                vectors[place] = self._scaled(block.vectors[offset], float(lengths[offset]), f"{row_id!r}", row)

    def _scaled(self, vector: np.ndarray, length: float, name: str, row: int) -> np.ndarray:
        """Return a vector as it is to be kept; zeros, and a problem noted, for one that is none."""
        if not np.isfinite(length):
            self._note(row, f"{name}: a component is infinite or undefined")
            return np.zeros_like(vector)
        if length == 0:
            self._note(row, f"{name}: all components are 0")
        return vector / np.float32(length) if length and self.settings.score == "cosine" else vector

    def _note(self, row: int, what: str) -> None:
        self._problems.append(Problem(str(self.files.vectors), None, f"row {row}: {what}"))

    def _note_missing(self, rows: np.ndarray, partial: bool) -> None:
        missing = np.flatnonzero(rows < 0)
        if partial and len(missing):
            _LOG.warning("%s: %d of %d texts have no vector", self.files.vectors, len(missing), len(rows))
            return
        where = str(self.files.vectors)
        self._problems += [Problem(where, None, f"{self.ids[row]!r}: has no vector") for row in missing]

    def _keys(self) -> np.ndarray:
        keys = np.empty((len(self.ids), KEY_BYTES), dtype=np.uint8)
        for start in range(0, len(self.ids), _ROWS):
            some = range(start, min(start + _ROWS, len(self.ids)))
            keys[some.start : some.stop] = text_keys(self.texts(some))
        return keys

    def _note_conflicts(self, keys: np.ndarray, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Note texts that are the same and have different vectors: which of them would a text get?"""
        known = np.flatnonzero(rows >= 0)
        first = known[KeyTable(keys[known]).find(keys[known])] if len(known) else known
        for row, other in zip(known, first, strict=True):
            if row != other and np.linalg.norm(vectors[row] - vectors[other]) > _SAME_TEXT * np.linalg.norm(
                vectors[other]
            ):
                self._note(rows[row], f"{self.ids[row]!r}: has the text of {self.ids[other]!r} and another vector")

    def _finish(self, keys: np.ndarray, known: np.ndarray, vectors: np.ndarray) -> str:
        if not known.all():
            keys = keys[known]
            np.save(self.target, vectors[known])
            vectors = np.load(self.target, mmap_mode="r")
        np.save(self.target.with_suffix(".keys.npy"), keys)
        blocks = [fingerprint_array(vectors[start : start + _ROWS]) for start in range(0, len(vectors), _ROWS)]
        return fingerprint_array(np.array([fingerprint_array(keys), *blocks]))
