"""A corpus that grew, shrank or was shuffled is encoded only where it is new."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyrite.data import Corpus
from pyrite.errors import SearchError
from pyrite.models.protocols import Role
from pyrite.search import DenseIndex, DenseRetriever
from pyrite.search.dense import shard_file
from pyrite.search.dense.shard_file import open_shard
from pyrite.testing.encoders import HashingEncoder


def corpus(numbers: Sequence[int]) -> Corpus:
    return Corpus.from_columns(
        doc_id=[f"d{place}" for place in range(len(numbers))],
        text=[f"mineral number {number}" for number in numbers],
        title=[""] * len(numbers),
    )


def build(numbers: Sequence[int], folder: Path | None, shard_size: int = 50) -> tuple[DenseIndex, int]:
    """Return the index, and how many texts were encoded for it."""
    encoder = HashingEncoder()
    index = DenseRetriever(encoder, folder=folder, shard_size=shard_size).build(corpus(numbers))
    return index, encoder.encoded


def test_one_percent_more_documents_encodes_one_percent(tmp_path: Path) -> None:
    build(range(1000), tmp_path)
    generator = np.random.default_rng(0)
    grown = np.insert(np.arange(1000), np.sort(generator.integers(0, 1001, 10)), np.arange(1000, 1010)).tolist()
    index, encoded = build(grown, tmp_path)
    assert encoded == 10
    assert index.fingerprint() == build(grown, None)[0].fingerprint()


def test_a_shuffled_or_smaller_corpus_and_other_shards_encode_nothing(tmp_path: Path) -> None:
    build(range(300), tmp_path)
    shuffled = np.random.default_rng(1).permutation(300).tolist()
    for numbers in (shuffled, range(17, 260), [5, 5, 5, 7]):
        index, encoded = build(numbers, tmp_path, shard_size=33)
        assert encoded == 0
        assert index.fingerprint() == build(numbers, None)[0].fingerprint()


def test_equal_shards_of_two_corpora_are_one_file(tmp_path: Path) -> None:
    one, _ = build(range(100), tmp_path)
    two, _ = build([*range(100), 100], tmp_path)
    first = [(index.embeddings.folder / index.embeddings.shards[0]).stat() for index in (one, two)]
    assert os.path.samestat(*first)
    assert first[0].st_nlink == 3


def test_a_text_is_encoded_once_and_gets_one_vector(tmp_path: Path) -> None:
    class Drifting(HashingEncoder):
        """Gives a text another vector each time."""

        def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
            vectors = super().encode(texts, role)
            return vectors + np.arange(self.encoded - len(texts), self.encoded)[:, None].astype(np.float32) * 1e-5

    encoder = Drifting()
    index = DenseRetriever(encoder, folder=tmp_path, shard_size=4).build(corpus([1, 2, 1, 3, 2, 4, 4, 1]))
    assert encoder.encoded == 4
    vectors = index.embeddings.rows(np.arange(8))
    for same in ([0, 2, 7], [1, 4], [5, 6]):
        assert (vectors[same] == vectors[same[0]]).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=20), min_size=1, max_size=4), st.integers(1, 7))
def test_only_texts_that_no_corpus_before_had_are_encoded(corpora: list[list[int]], shard_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        known: set[int] = set()
        for numbers in corpora:
            index, encoded = build(numbers, Path(folder), shard_size)
            if encoded:  # else the very same corpus may have been there
                assert encoded == len(set(numbers) - known)
            assert set(numbers) <= known or encoded
            known |= set(numbers)
            assert index.fingerprint() == build(numbers, None)[0].fingerprint()


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "vectors").rglob("*.npy"))


def test_another_encoder_shares_nothing(tmp_path: Path) -> None:
    build(range(10), tmp_path)
    encoder = HashingEncoder(32)
    DenseRetriever(encoder, folder=tmp_path).build(corpus(range(10)))
    assert encoder.encoded == 10


def test_the_folder_may_be_deleted_at_any_time(tmp_path: Path) -> None:
    index, _ = build(range(10), tmp_path)
    for path in shards(tmp_path):
        path.unlink()
    assert index.fingerprint() == build(range(10), tmp_path)[0].fingerprint()
    assert build(range(9), tmp_path)[1] == 9


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -1])
@pytest.mark.parametrize("which", [0, 1])
def test_a_shard_that_was_cut_off_is_encoded_again(tmp_path: Path, cut: int, which: int) -> None:
    whole, _ = build(range(20), tmp_path, shard_size=10)
    kept = whole.embeddings.folder / whole.embeddings.shards[which]
    (shard,) = (path for path in shards(tmp_path) if path.samefile(kept))
    content = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(content[:cut])
    # The first shard is looked for by its name, the second, now one row shorter, by its rows.
    index, encoded = build(range(19), tmp_path, shard_size=10)
    assert encoded == (10, 9)[which]
    assert index.fingerprint() == build(range(19), None)[0].fingerprint()
    assert build(range(18), tmp_path, shard_size=10)[1] == 0


def test_a_flipped_byte_is_found(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    build(range(20), tmp_path)
    (shard,) = shards(tmp_path)
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.unlink()
    shard.write_bytes(content)
    index, encoded = build(range(21), tmp_path)
    assert encoded == 21
    assert "is damaged" in caplog.text
    assert index.fingerprint() == build(range(21), None)[0].fingerprint()


def test_what_is_no_shard_is_passed_over(tmp_path: Path) -> None:
    build(range(20), tmp_path)
    folder = shards(tmp_path)[0].parent
    (folder / "half.npy").write_bytes(b"\x93NUMPY")
    np.save(folder / "plain.npy", np.zeros((3, 64), dtype=np.float32))
    (folder / ".x.npy.1.partial").write_bytes(b"1")
    assert build(range(21), tmp_path)[1] == 1


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = np.save, []

    def full_after_one(stream: object, array: np.ndarray) -> None:
        calls.append(stream)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save(stream, array)  # type: ignore[arg-type]

    monkeypatch.setattr(shard_file.np, "save", full_after_one)
    with pytest.raises(SearchError, match=r"No space left on device\); make room .* run again: what was finished is"):
        build(range(30), tmp_path, shard_size=10)
    assert [path.name for path in tmp_path.rglob("*.partial")] == []
    monkeypatch.setattr(shard_file.np, "save", save)
    index, encoded = build(range(30), tmp_path, shard_size=10)
    assert encoded == 20
    assert index.fingerprint() == build(range(30), None)[0].fingerprint()


def test_an_encoder_whose_identity_hides_its_dimension_is_told(tmp_path: Path) -> None:
    class Anonymous(HashingEncoder):
        def identity(self) -> str:
            return "the same"

    DenseRetriever(Anonymous(8), folder=tmp_path).build(corpus(range(5)))
    with pytest.raises(SearchError, match=r"dimension 8 by an encoder of the same identity; this one gives 16"):
        DenseRetriever(Anonymous(16), folder=tmp_path).build(corpus(range(4)))


PROCESS = """
import sys
from pathlib import Path
from pyrite.data import Corpus
from pyrite.search import DenseRetriever
from pyrite.testing.encoders import HashingEncoder

start = int(sys.argv[2])
texts = [f"mineral number {n}" for n in range(start, start + 400)]
corpus = Corpus.from_columns(doc_id=[f"d{n}" for n in range(400)], text=texts, title=[""] * 400)
index = DenseRetriever(HashingEncoder(), folder=Path(sys.argv[1]), shard_size=10).build(corpus)
print(index.fingerprint())
"""


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    started = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(tmp_path), start], stdout=subprocess.PIPE, text=True)
        for start in ("0", "5", "0", "40")
    ]
    answers = [process.communicate(timeout=100)[0].strip() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    expected = [build(range(start, start + 400), None)[0].fingerprint() for start in (0, 5, 0, 40)]
    assert answers == expected
    assert all(shard is not None and shard.is_sound() for shard in map(open_shard, shards(tmp_path)))
    assert build(range(440), tmp_path)[1] == 0
