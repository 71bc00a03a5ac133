"""Every layout of training files in one place: read, written, and told apart by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from pyrite.data.formats.columns import ExampleColumns
from pyrite.data.formats.examples import Example, TrainingParts
from pyrite.data.formats.fitting import Written
from pyrite.data.formats.flagembedding import FlagEmbeddingLayout, flag_embedding_examples, write_flag_embedding
from pyrite.data.formats.gpl import GplLayout, gpl_examples, write_gpl
from pyrite.data.formats.hard_negatives import HardNegativesLayout, hard_negatives_examples, write_hard_negatives
from pyrite.data.formats.lines import Line, read_lines
from pyrite.data.formats.ms_swift import MsSwiftLayout, ms_swift_examples, write_ms_swift
from pyrite.data.formats.nemo import NemoLayout, nemo_corpus, nemo_examples, write_nemo
from pyrite.data.formats.parts import Conflicts, KnownTexts, PartsBuilder, parts_of
from pyrite.data.formats.pylate import PyLateLayout, pylate_examples, write_pylate
from pyrite.data.formats.rows import read_rows
from pyrite.data.formats.sentence_transformers import (
    SentenceTransformersLayout,
    sentence_transformers_examples,
    write_sentence_transformers,
)
from pyrite.data.formats.tevatron import TevatronLayout, tevatron_examples, write_tevatron
from pyrite.data.formats.texts import corpus_beside, queries_beside, read_corpus, read_queries
from pyrite.errors import DataError, Problem

__all__ = [
    "Format",
    "Positives",
    "TrainingLayout",
    "files_beside",
    "guess_format",
    "known_texts",
    "read_examples",
    "read_training_set",
    "write_training_set",
]

TrainingLayout = Annotated[
    SentenceTransformersLayout
    | FlagEmbeddingLayout
    | TevatronLayout
    | HardNegativesLayout
    | GplLayout
    | PyLateLayout
    | NemoLayout
    | MsSwiftLayout,
    Field(discriminator="type"),
]
"""How a training file looks, by its `type`."""

Format = Literal[
    "sentence-transformers", "flag-embedding", "tevatron", "hard-negatives", "gpl", "pylate", "nemo", "ms-swift"
]
"""The convention of a training file."""

Positives = Literal["first"] | Mapping[str, set[str]] | None
"""Which documents are positives where a file does not say it: the first one, or {query_id: ids of its positives}."""

_Reader = Callable[[Path, list[Problem], dict[str, Any]], Iterator[tuple[Line, Example]]]
_READERS: Mapping[Format, _Reader] = {
    "sentence-transformers": sentence_transformers_examples,
    "flag-embedding": flag_embedding_examples,
    "tevatron": tevatron_examples,
    "hard-negatives": hard_negatives_examples,
    "gpl": gpl_examples,
    "pylate": pylate_examples,
    "nemo": nemo_examples,
    "ms-swift": ms_swift_examples,
}
_WRITERS: Mapping[type, Callable[[TrainingParts, Path, Any], Written]] = {
    SentenceTransformersLayout: write_sentence_transformers,
    FlagEmbeddingLayout: write_flag_embedding,
    TevatronLayout: write_tevatron,
    HardNegativesLayout: write_hard_negatives,
    GplLayout: write_gpl,
    PyLateLayout: write_pylate,
    NemoLayout: write_nemo,
    MsSwiftLayout: write_ms_swift,
}
# The keys that only one of the formats has together.
_KEYS: Mapping[Format, tuple[set[str], ...]] = {
    "flag-embedding": ({"query", "pos", "neg"},),
    "tevatron": ({"positive_passages", "negative_passages"}, {"positive_document_ids", "negative_document_ids"}),
    "hard-negatives": ({"qid", "pos", "neg"},),
    "pylate": ({"query_id", "document_ids", "scores"},),
    "ms-swift": ({"messages", "positive_messages"},),
}


def read_training_set(
    path: Path,
    file_format: Format | None = None,
    known: KnownTexts | None = None,
    positives: Positives = None,
    conflicts: Conflicts = "error",
) -> TrainingParts:
    """Read a training file of any format.

    A file of ids has no texts: they are taken from `known`, and what that lacks from the files beside it that a
    writer made (`train.corpus.jsonl`, `train.queries.jsonl`, NeMo's corpus). Without either the training set
    is read all the same and the table stays empty. A text that comes without an id has the id of the same text in
    `known`, or one that follows from the text. Rows of one query make one group.

    Args:
        path: The file.
        file_format: Its format; None to tell it from the content.
        known: What ids stand for.
        positives: Which documents are positives, for a file of PyLate that does not say it.
        conflicts: What becomes of negatives that are positives of their query; with "drop" the training set's metadata
            count them as `dropped_conflicts`.

    Returns:
        Corpus, queries and training set, in the order of the file.

    Raises:
        DataError: The file has faults, each listed with its line; or its content does not tell the format.
        SettingsError: Its name has a suffix that the format does not have.
    """
    path = Path(path)
    file_format = file_format or guess_format(path)
    problems, facts = list[Problem](), dict[str, Any]()
    known = known_texts(path, file_format, known)
    found = read_examples(path, file_format, problems, facts, positives)
    return parts_of(found, problems, str(path), facts, PartsBuilder(known, conflicts))


def known_texts(path: Path, file_format: Format, known: KnownTexts | None = None) -> KnownTexts:
    """Return the texts that were given, and for those that were not the ones that lie beside a file.

    Raises:
        DataError: A file beside it has faults.
    """
    corpus, queries = (known.corpus, known.queries) if known else (None, None)
    beside = files_beside(path, file_format)
    if corpus is None and "corpus" in beside:
        corpus = read_corpus(beside["corpus"])
    if queries is None and "queries" in beside:
        queries = read_queries(beside["queries"])
    return KnownTexts(corpus, queries)


def files_beside(path: Path, file_format: Format) -> dict[str, Path]:
    """Return where the texts of a file's ids lie beside it: {"corpus", "queries": path}, as far as they are there."""
    folder = nemo_corpus(path) if file_format == "nemo" else None
    found = {"corpus": folder or corpus_beside(path), "queries": queries_beside(path)}
    return {name: file for name, file in found.items() if file.exists()}


def read_examples(
    path: Path,
    file_format: Format,
    problems: list[Problem],
    facts: dict[str, Any] | None = None,
    positives: Positives = None,
) -> Iterator[tuple[Line, Example]]:
    """Yield the rows of a training file as they stand, one in memory at a time (a file of NeMo as a whole).

    Args:
        path: The file.
        file_format: Its format.
        problems: Where faults are noted.
        facts: Where facts about the whole file are put.
        positives: As in `read_training_set`.

    Raises:
        DataError: The columns of a file of sentence-transformers have no known shape.
        SettingsError: Its name has a suffix that the format does not have.
    """
    facts = {} if facts is None else facts
    if file_format == "pylate":
        facts["positives"] = positives
    return _READERS[file_format](path, problems, facts)


def write_training_set(parts: TrainingParts, path: Path, layout: TrainingLayout) -> Written:
    """Write a training file of any layout.

    Args:
        parts: The training set, with the documents and queries that it refers to. A layout of ids does without them.
        path: The file; the layout says how its name ends.
        layout: What it looks like.

    Returns:
        What was written and what the file does not hold.

    Raises:
        DataError: A text is missing that the layout holds, or groups do not fit it.
        SettingsError: The name has another suffix.
    """
    return _WRITERS[type(layout)](parts, Path(path), layout)


def guess_format(path: Path) -> Format:
    """Tell the format of a training file from its name and its first row.

    Raises:
        DataError: It cannot be read, or its content does not tell the format; the formats are listed.

    Example:
        >>> from pyrite.data.formats.lines import write_lines
        >>> write_lines(Path("mined.jsonl"), ['{"query": "a", "pos": ["b"], "neg": ["c"]}'])
        1
        >>> guess_format(Path("mined.jsonl"))
        'flag-embedding'
    """
    path = Path(path)
    if path.name.endswith((".tsv", ".tsv.gz")):
        return "gpl"
    problems: list[Problem] = []
    if path.name.endswith((".json", ".json.gz")) and _is_whole_object(path):
        return "nemo"
    row = next((row for _, row in read_rows(path, problems)), None)
    if row is None:
        problems = problems or [Problem(str(path), None, "holds no rows")]
        raise DataError(f"{path}: cannot tell its format from its first row", problems)
    found = [name for name, keys in _KEYS.items() if any(some <= row.keys() for some in keys) and _fits(name, row)]
    if not found and _is_sentence_transformers(row):
        found = ["sentence-transformers"]
    if len(found) != 1:
        raise DataError(
            f"{path}: the keys {', '.join(row) or '(none)'} do not tell its format; say which it is: "
            f"{', '.join(get_args(Format))}"
        )
    return found[0]


def _is_whole_object(path: Path) -> bool:
    """Say whether a file is one object and not one a line: its first line names the corpora, or is only a beginning."""
    first = next(iter(read_lines(path, [])), None)
    return first is not None and ('"corpus"' in first.text or first.text.strip() in {"{", "["})


def _fits(name: Format, row: Mapping[str, Any]) -> bool:
    """Say whether values are of the kind that the format has: texts under the same names may be a triplet's."""
    if name == "flag-embedding":
        return isinstance(row["pos"], list) and isinstance(row["neg"], list)
    if name == "pylate":
        return all(key == "scores" or key.endswith(("_id", "_ids")) for key in row)
    return name != "hard-negatives" or isinstance(row["neg"], dict)


def _is_sentence_transformers(row: Mapping[str, Any]) -> bool:
    try:
        columns = ExampleColumns.of(row, "")
    except DataError:
        return False
    texts = columns.texts if columns.shape != "list" else columns.texts[:1]
    return all(isinstance(row[name], str) for name in texts)
