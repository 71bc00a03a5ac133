"""Vectors that many corpora share: only texts that no shard in a folder holds are encoded.

```
FOLDER/<hash of the encoder's identity>/<hash of the keys of the rows>.npy
```

A shard is named by its texts, so that equal shards of two corpora are one file. Files appear there whole, by a hard
link, and everything may be deleted at any time: what is in use has a second name elsewhere, and what is missed is
encoded again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from functools import cached_property
from pathlib import Path

import numpy as np

from pyrite.data import Corpus
from pyrite.data.files import link_file
from pyrite.data.keys import KeyTable, text_keys
from pyrite.errors import SearchError
from pyrite.models.protocols import Encoder
from pyrite.search.dense.checked import checked_vectors
from pyrite.search.dense.shard_file import ShardFile, open_shard, write_shard_file
from pyrite.settings import canonical_hash

__all__ = ["VectorFolder"]

_LOG = logging.getLogger(__name__)
_KEY_ROWS = 4096


class VectorFolder:
    """Writes the shards of one corpus, taking from a folder what it knows already.

    Args:
        encoder: Gives the vectors that are not known.
        corpus: The documents.
        folder: What corpora share; made where it is missing.
    """

    def __init__(self, encoder: Encoder, corpus: Corpus, folder: Path) -> None:
        self._encoder = encoder
        self._corpus = corpus
        self._folder = folder / canonical_hash(encoder.identity())[:32]
        self._sources: list[Path] = []
        self._opened: dict[Path, ShardFile | None] = {}
        # Where the vector of a text is to be had, at the first row that has the text: a source and a row in it.
        self._source = np.full(len(corpus), -1, dtype=np.int32)
        self._place = np.zeros(len(corpus), dtype=np.int32)
        self.encoded = 0
        """How many texts the encoder was given so far."""

    def write(self, rows: range, path: Path) -> None:
        """Write the shard of these rows at a path where nothing is.

        A shard of the same texts is given a second name. Else the vectors of known texts are copied, and each other
        text is encoded once.

        Raises:
            SearchError: The encoder gave something else than vectors, or the file cannot be written.
        """
        keys = self._keys[rows.start : rows.stop]
        shared = self._folder / f"{hashlib.blake2b(keys.data, digest_size=16).hexdigest()}.npy"
        if not self._take(shared, path):
            write_shard_file(path, self._vectors(rows), keys)
            _share(path, shared)
        self._note(shared, self._first[rows.start : rows.stop])

    def _take(self, shared: Path, path: Path) -> bool:
        """Give a shard a second name; False where it is not there, or damaged."""
        try:
            link_file(shared, path)
        except FileNotFoundError:
            return False
        if self._checked(shared) is not None:
            return True
        path.unlink()
        return False

    def _vectors(self, rows: range) -> np.ndarray:
        self._scan()
        first = self._first[rows.start : rows.stop]
        source, place = self._source[first], self._place[first]
        vectors = np.empty((len(rows), self._encoder.dimension), dtype=np.float32)
        missing = source < 0
        for number in np.unique(source[~missing]).tolist():
            here = np.flatnonzero(source == number)
            shard = self._checked(self._sources[number])
            if shard is None:
                missing[here] = True
            else:
                vectors[here] = shard.vectors[place[here]]
        if missing.any():
            vectors[missing] = self._encode(rows, np.flatnonzero(missing))
        return vectors

    def _encode(self, rows: range, missing: np.ndarray) -> np.ndarray:
        """Encode each distinct text of these places in a shard once, in their order; return a vector for each."""
        _, one, inverse = np.unique(self._first[rows.start + missing], return_index=True, return_inverse=True)
        texts, ids = self._corpus.texts(rows), self._corpus.column("doc_id").slice(rows.start, len(rows)).to_pylist()
        chosen = missing[one].tolist()
        self.encoded += len(chosen)
        distinct = checked_vectors(
            self._encoder, [texts[row] for row in chosen], "document", [ids[row] for row in chosen]
        )
        return distinct[inverse]

    def _checked(self, shared: Path) -> ShardFile | None:
        """Open a shard and read it once, to be sure of it; one that is damaged is taken out of the folder."""
        if shared in self._opened:
            return self._opened[shared]
        shard = open_shard(shared)
        if shard is not None and shard.vectors.shape[1] != self._encoder.dimension:
            raise SearchError(
                f"{shared}: holds vectors of dimension {shard.vectors.shape[1]} by an encoder of the same identity; "
                f"this one gives {self._encoder.dimension}. identity() has to name all that the vectors depend on"
            )
        if shard is None or not shard.is_sound():
            if shared.exists():
                _LOG.warning("%s: is damaged; its texts are encoded again", shared)
                shared.unlink(missing_ok=True)
            shard = None
        self._opened[shared] = shard
        return shard

    def _scan(self) -> None:
        """Note, once, which texts of the corpus the shards in the folder hold."""
        for path in self._known:
            if (self._source[self._first] >= 0).all():
                break
            shard = open_shard(path)
            if shard is not None:
                self._note(path, self._table.find(shard.keys))
        self._known.clear()

    def _note(self, shared: Path, rows: np.ndarray) -> None:
        """Note that a shard holds the texts of these rows of the corpus, in this order; -1 for others."""
        place = np.flatnonzero(rows >= 0)
        place = place[self._source[rows[place]] < 0]
        self._source[rows[place]] = len(self._sources)
        self._place[rows[place]] = place
        self._sources.append(shared)

    @cached_property
    def _known(self) -> list[Path]:
        return sorted(self._folder.glob("*.npy"))

    @cached_property
    def _keys(self) -> np.ndarray:
        parts = [
            text_keys(self._corpus.texts(range(start, min(start + _KEY_ROWS, len(self._corpus)))))
            for start in range(0, len(self._corpus), _KEY_ROWS)
        ]
        return np.concatenate(parts)

    @cached_property
    def _table(self) -> KeyTable:
        return KeyTable(self._keys)

    @cached_property
    def _first(self) -> np.ndarray:
        """The first row with the text of each row."""
        return self._table.find(self._keys)


def _share(path: Path, shared: Path) -> None:
    """Give a finished file its name in the folder; what fails here costs another encoding and no more."""
    try:
        shared.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, shared)
        except FileExistsError:
            pass
        except OSError:
            partial = shared.with_name(f".{shared.name}.{os.getpid()}.partial")
            shutil.copyfile(path, partial)
            partial.replace(shared)
    except OSError as error:
        _LOG.warning("%s: cannot be written (%s); these texts will be encoded again", shared, error)
