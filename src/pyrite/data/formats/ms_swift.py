"""Training files of ms-swift for embeddings: one JSON object a line, one line for each positive.

`{"messages": [...], "positive_messages": [[...]], "negative_messages": [[...], ...]}`, where a message is
`{"role": "user", "content": text}`; a system message in `messages` is an instruction. Exactly one positive a line
(docs/source_en/BestPractices/Embedding.md). Columns that its preprocessor does not know are removed, so ids do no harm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pyrite.data.formats.examples import Example, Passage, TrainingParts, examples
from pyrite.data.formats.fields import id_field, ids_field
from pyrite.data.formats.fitting import Holds, Incomplete, Written, fit, written
from pyrite.data.formats.lines import Line, describe
from pyrite.data.formats.rows import check_name, read_rows, write_rows
from pyrite.data.records import TrainingGroup
from pyrite.errors import Problem
from pyrite.settings import Settings

__all__ = ["MsSwiftLayout", "ms_swift_examples", "write_ms_swift"]

_SIDES = ("positive", "negative")
_MEDIA = ("<image>", "<video>", "<audio>")


class MsSwiftLayout(Settings):
    """How a training file for ms-swift looks."""

    type: Literal["ms-swift"] = "ms-swift"
    prompt: str | None = None
    """The instruction in front of each query, as a system message; None for the training set's own, if any."""
    ids: bool = True
    """Whether to add `query_id`, `positive_ids` and `negative_ids`, which its preprocessor removes."""
    incomplete: Incomplete = "error"
    """What becomes of a group of which a text holds a tag such as <image>, which ms-swift takes for a picture."""


def write_ms_swift(parts: TrainingParts, path: Path, layout: MsSwiftLayout | None = None) -> Written:
    """Write one line for each positive of each group, with all negatives of the group.

    Args:
        parts: The training set, with the documents and queries that it refers to.
        path: A name that ends in `.jsonl` or `.jsonl.gz`.
        layout: What goes into it.

    Raises:
        SettingsError: The name has another suffix.
        DataError: An id has no text, a text holds a tag of a medium (each is listed), or no group is left.
    """
    layout = layout or MsSwiftLayout()
    check_name(path, ".jsonl", ".jsonl.gz")
    tagged = {example.query_id for example in examples(parts) if _has_media(example)}
    refusal = f"ms-swift takes {', '.join(_MEDIA)} in a text for a medium; drop such groups, or change their texts"
    fitted = fit(parts.training_set, lambda group: _fault(group, tagged), layout.incomplete, refusal)
    prompt = parts.training_set.metadata.get("prompt") if layout.prompt is None else layout.prompt
    found = examples(parts._replace(training_set=fitted.groups))
    rows = write_rows(path, (row for example in found for row in _rows(example, layout, prompt)))
    return written(parts, fitted, Holds(ids=layout.ids), rows)


def _fault(group: TrainingGroup, tagged: set[str | None]) -> str | None:
    return "has a text with a tag of a medium" if group.query_id in tagged else None


def _has_media(example: Example) -> bool:
    texts = [example.query or "", *(passage.full for passage in example.positives + example.negatives)]
    return any(tag in text for text in texts for tag in _MEDIA)


def _rows(example: Example, layout: MsSwiftLayout, prompt: str | None) -> Iterator[dict[str, Any]]:
    system = [{"role": "system", "content": prompt}] if prompt else []
    for positive in example.positives:
        row: dict[str, Any] = {
            "messages": [*system, *_messages(example.query or "")],
            "positive_messages": [_messages(positive.full)],
        }
        if example.negatives:
            row["negative_messages"] = [_messages(negative.full) for negative in example.negatives]
        if layout.ids:
            row |= {"query_id": example.query_id, "positive_ids": [positive.doc_id]}
            row["negative_ids"] = [negative.doc_id for negative in example.negatives]
        yield row


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def ms_swift_examples(path: Path, problems: list[Problem], facts: dict[str, Any]) -> Iterator[tuple[Line, Example]]:
    """Yield the example of each line; faults are noted, and the instruction of all lines goes into `facts`.

    With a `label` of 0, as contrastive losses want it, what stands in `positive_messages` is a negative.
    """
    for position, (line, record) in enumerate(read_rows(path, problems)):
        system, query = _conversation(line, "messages", record.get("messages"))
        if position == 0 and system is not None:
            facts["prompt"] = system
        if system != facts.get("prompt"):
            line.fault("the system message is another than the first line's; part the file by it")
        positives, negatives = (_passages(line, record, side) for side in _SIDES)
        if _is_negative(line, record):
            positives, negatives = (), positives + negatives
        query_id = None if record.get("query_id") is None else id_field(line, record, "query_id")
        if line.valid:
            yield line, Example(query, query_id, positives, negatives)


def _is_negative(line: Line, record: dict[str, Any]) -> bool:
    label = record.get("label")
    if label not in {None, 0, 1}:
        line.fault(f"the label {label!r} is neither 1, a positive, nor 0, a negative")
    return label == 0


def _passages(line: Line, record: dict[str, Any], side: str) -> tuple[Passage, ...]:
    name = f"{side}_messages"
    given = record.get(name) or []
    if not isinstance(given, list) or not all(isinstance(item, Sequence) for item in given):
        line.fault(f"`{name}` is not a list of lists of messages")
        return ()
    texts = []
    for position, item in enumerate(given, start=1):
        system, text = _conversation(line, f"{name}[{position}]", item)
        if system is not None:
            line.fault(f"`{name}[{position}]` has a system message: an instruction for documents has no place here")
        texts.append(text)
    ids = ids_field(line, record, f"{side}_ids", len(texts))
    return tuple(Passage(text, doc_id) for text, doc_id in zip(texts, ids, strict=True))


def _conversation(line: Line, name: str, messages: Any) -> tuple[str | None, str]:
    """Return the system message, or None, and the user's text of a conversation of one turn."""
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages or ()]
    if not isinstance(messages, list) or roles not in (["user"], ["system", "user"]):
        line.fault(f"`{name}` is not one user message, perhaps after a system message")
        return None, ""
    contents = [message.get("content") for message in messages]
    for content in contents:
        if not isinstance(content, str):
            line.fault(f"a content in `{name}` is {describe(content)}, wants a string; pictures are not read")
            return None, ""
    return (contents[0] if len(contents) == 2 else None), contents[-1]
