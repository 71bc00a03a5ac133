"""Commands on training files: anyone's, in any of the formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from pyrite.cli.options import Answers, Sets, TextFiles
from pyrite.cli.replies import Reply
from pyrite.data.formats.conversion import Conversion, convert_file
from pyrite.data.formats.parts import KnownTexts
from pyrite.data.formats.texts import read_corpus, read_queries
from pyrite.data.formats.training import Format, Positives, TrainingLayout
from pyrite.data.formats.trec import read_qrels
from pyrite.pipeline.overrides import assign, parse_assignment
from pyrite.settings import Settings, parse_settings

__all__ = ["convert"]

_ANSWERS = Answers()
_TEXTS = TextFiles()


class _Target(Settings):
    """The layout of the new file, validated as a setting."""

    layout: TrainingLayout
    """The layout by its `type`."""


def convert(
    source: Path,
    target: Path,
    *,
    to: Format,
    from_: Annotated[Format | None, Parameter(name="--from")] = None,
    set_: Sets = (),
    texts: TextFiles = _TEXTS,
    options: Answers = _ANSWERS,
) -> Reply:
    """Turn a training file into another toolkit's format, ids kept, and say what it cannot hold.

    Beside a file of ids its texts are written: NAME.corpus.jsonl and NAME.queries.jsonl, for NeMo a folder NAME.corpus.

    Args:
        source: The file.
        target: The new file; nothing of that name may be there.
        to: The format of the new file.
        from_: The format of the source; where not given, its content tells it.
        set_: A setting of the new file's layout, such as shape=triplet; `pyrite export --help` lists them.
        texts: What the file does not say.
        options: How to answer.
    """
    layout: dict[str, Any] = {"type": to}
    for text in set_:
        path, value = parse_assignment(text)
        assign(layout, path.split("."), value, path)
    done = convert_file(
        source,
        target,
        parse_settings(_Target, {"layout": layout}, "--set").layout,
        from_,
        _known(texts),
        _positives(texts),
    )
    data = {"source": str(source), "target": str(target), "target_format": to, **done.as_dict()}
    return Reply(_describe(source, target, to, done), data, options.json)


def _known(texts: TextFiles) -> KnownTexts:
    return KnownTexts(
        None if texts.corpus is None else read_corpus(texts.corpus),
        None if texts.queries is None else read_queries(texts.queries),
    )


def _positives(texts: TextFiles) -> Positives:
    if texts.positives is None:
        return None
    if texts.positives == "first":
        return "first"
    grades = read_qrels(Path(texts.positives)).relevant().by_query()
    return {query_id: set(found) for query_id, found in grades.items()}


def _describe(source: Path, target: Path, to: Format, done: Conversion) -> str:
    read = (
        f"read     {source} ({done.source_format}): {done.queries:,} queries, {done.positives:,} positives, "
        f"{done.negatives:,} negatives, {done.documents:,} documents"
    )
    if done.without_text:
        read += f", {done.without_text:,} of them known by id alone"
    beside = [name for name in done.files if name != target.name]
    written = f"written  {target} ({to}): {done.written.rows:,} rows" + (f"; {', '.join(beside)}" if beside else "")
    return "\n".join([read, written, *(f"         {sentence}" for sentence in done.written.told())])
