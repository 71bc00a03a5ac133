"""Training files of NeMo Automodel, by ids: `{"corpus": [{"path"}], "data": [...]}`, one JSON object in all.

An item of `data` is `{"question_id", "question", "corpus_id", "pos_doc": [{"id", "score"}], "neg_doc": [...]}`, all
five keys required, scores optional and ids plain or in objects (nemo_automodel/components/datasets/llm/
retrieval_dataset.py). A relative path of a corpus is relative to the file; a corpus is a folder with
`merlin_metadata.json` and a Parquet file of `id` and `text`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import id_field, numbers_field, text_field
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, written
from pyrite.data.formats.lines import Line, describe, json_line, write_lines
from pyrite.data.formats.rows import check_name
from pyrite.data.formats.texts import stem, write_corpus_folder
from pyrite.data.records import TrainingGroup
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["NemoLayout", "nemo_corpus", "nemo_examples", "write_nemo"]

_ENDS = (".json", ".json.gz")
_SIDES = ("pos_doc", "neg_doc")


class NemoLayout(Settings):
    """How a training file for NeMo looks."""

    type: Literal["nemo"] = "nemo"
    corpus: str | None = None
    """The path of the corpus that the file names. By default a folder beside it, `NAME.corpus`, into which the
    documents are written where their texts are at hand; with a path nothing is written but the file."""
    corpus_id: str = "corpus"
    """What the file and the corpus call the corpus."""
    scores: bool = True
    """Whether to add the teacher's `score` to each document; a missing one is left out."""
    incomplete: Incomplete | Literal["keep"] = "error"
    """What becomes of a query without negatives, on which its trainer fails. "keep" writes the empty list."""


def write_nemo(parts: TrainingParts, path: Path, layout: NemoLayout | None = None) -> Written:
    """Write a training file, and beside it the corpus.

    Args:
        parts: The training set with its queries, and the documents as far as they are at hand.
        path: A name that ends in `.json` or `.json.gz`.
        layout: What goes into it.

    Raises:
        SettingsError: The name has another suffix.
        DataError: A query has no text, a group has no negatives (each is listed), or none is left.
    """
    layout = layout or NemoLayout()
    check_name(path, *_ENDS)
    fitted = fit(parts.training_set, _fault, layout.incomplete, "NeMo's trainer fails on queries without negatives")
    kept = parts._replace(training_set=fitted.groups)
    write_lines(path, _lines(examples(kept, documents=False), layout, path))
    if layout.corpus is None and len(parts.corpus):
        write_corpus_folder(kept, path.with_name(f"{stem(path)}.corpus"), layout.corpus_id)
    return written(parts, fitted, Holds(scores=layout.scores), len(fitted.groups))


def _fault(group: TrainingGroup) -> str | None:
    return None if group.negative_ids else "has no negatives"


def _lines(found: Iterator[Example], layout: NemoLayout, path: Path) -> Iterator[str]:
    """Yield the lines of one JSON object, an item of `data` on each."""
    corpus = json.dumps([{"path": layout.corpus or f"{stem(path)}.corpus"}], ensure_ascii=False)
    before = f'{{"corpus": {corpus}, "data": ['
    for example in found:
        yield before
        before = json_line(_item(example, layout)) + ","
    yield before.removesuffix(",")
    yield "]}"


def _item(example: Example, layout: NemoLayout) -> dict[str, Any]:
    item: dict[str, Any] = {"question_id": example.query_id, "question": example.query, "corpus_id": layout.corpus_id}
    for side, passages in zip(_SIDES, (example.positives, example.negatives), strict=True):
        item[side] = [
            {"id": passage.doc_id} | ({"score": passage.score} if layout.scores and passage.score is not None else {})
            for passage in passages
        ]
    return item


def nemo_corpus(path: Path) -> Path | None:
    """Return the folder of the one corpus that a file names, or None where it is not there."""
    value = _load(path, [])
    corpora = value.get("corpus") if isinstance(value, dict) else None
    corpora = [corpora] if isinstance(corpora, dict) else corpora
    if not isinstance(corpora, list) or len(corpora) != 1 or not isinstance(corpora[0], dict):
        return None
    folder = path.parent / str(corpora[0].get("path", ""))
    return folder if (folder / "merlin_metadata.json").is_file() else None


def nemo_examples(path: Path, problems: list[Problem], facts: dict[str, Any]) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each item of `data`; its place there, from 1, stands for the line. Faults are noted.

    The file is one JSON object and is held in memory as a whole.
    """
    value = _load(path, problems)
    items = value.get("data") if isinstance(value, dict) else None
    if not isinstance(items, list):
        if not problems:
            problems.append(Problem(str(path), None, "wants one JSON object with `corpus` and a list `data`"))
        return
    corpus_ids: set[str] = set()
    for number, item in enumerate(items, start=1):
        line = Line(f"{path} data", number, "", problems)
        if not isinstance(item, dict):
            line.fault(f"{describe(item)}, wants a JSON object")
            continue
        corpus_ids.add(str(item.get("corpus_id")))
        if len(corpus_ids) > 1:
            line.fault(f"`corpus_id` is {item.get('corpus_id')!r}, another than before; part the file by it")
        query_id = None if item.get("question_id") is None else id_field(line, item, "question_id")
        positives, negatives = (tuple(_passages(line, item, side)) for side in _SIDES)
        example = Example(text_field(line, item, "question") or "", query_id, positives, negatives)
        if line.valid:
            yield line, example


def _load(path: Path, problems: list[Problem]) -> Any:
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        return json.loads(data)
    except FileNotFoundError:
        problems.append(Problem(str(path), None, "there is no such file"))
    except (OSError, EOFError, ValueError, RecursionError) as error:
        problems.append(Problem(str(path), None, f"broken JSON: {error}"))
    return None


def _passages(line: Line, item: dict[str, Any], side: str) -> Iterator[Passage]:
    given = item.get(side)
    if not isinstance(given, list):
        line.fault(f"`{side}` is {describe(given)}, wants a list of ids or of objects with `id`")
        return
    for document in given:
        record = document if isinstance(document, dict) else {"id": document}
        doc_id = id_field(line, record, "id")
        (score,) = numbers_field(line, {"score": [record.get("score")]}, "score", 1)
        if line.valid:
            yield Passage(None, doc_id, score)
