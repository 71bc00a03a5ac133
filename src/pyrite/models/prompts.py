"""Which prompts a model was trained with. The wrong ones cost accuracy without any error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from pyrite.models.settings import FewShot, Prompts

__all__ = ["family_prompts", "instruction_prompts", "own_prompts", "read_prompts"]

_E5 = re.compile(r"(^|[/_-])e5([_-]|$)")
_DOCUMENT_NAMES = ("document", "passage", "corpus")


def own_prompts(prompts: Mapping[str, str | None]) -> Prompts | None:
    """Return the prompts that a model's configuration gives, or None where it gives none.

    Args:
        prompts: `SentenceTransformer.prompts`: {name: text}.

    Example:
        >>> own_prompts({"query": "query: ", "passage": "passage: "}).document
        'passage: '
        >>> own_prompts({"query": "", "document": ""}) is None
        True
    """
    query = prompts.get("query") or ""
    document = next((text for name in _DOCUMENT_NAMES if (text := prompts.get(name))), "")
    return Prompts(query=query, document=document) if query or document else None


def family_prompts(name: str) -> Prompts | None:
    """Return the prompts of a model's family, or None; a family is known by the model's own name.

    Of a path that is the last folder, and the model's in the hub's cache: where a model lies says nothing about it.

    E5 (Wang et al., arXiv 2212.03533) wants "query: " and "passage: ". Its instruction-tuned
    variants want a task description instead, which only the user knows.

    Example:
        >>> family_prompts("intfloat/multilingual-e5-small").query
        'query: '
        >>> family_prompts("intfloat/multilingual-e5-large-instruct") is None
        True
        >>> family_prompts("beside-e5/bge-small") is None
        True
    """
    lowered = _own_name(name).lower()
    if _E5.search(lowered) and "instruct" not in lowered:
        return Prompts(query="query: ", document="passage: ")
    return None


def _own_name(name: str) -> str:
    parts = PurePath(name).parts
    if len(parts) > 2 and parts[-2] == "snapshots":
        return parts[-3]  # models--intfloat--e5-base/snapshots/COMMIT
    return parts[-1] if parts else ""


def instruction_prompts(task: str, examples: Sequence[FewShot] = ()) -> Prompts:
    """Return the prompts of an embedding language model: an instruction for queries, nothing for documents.

    A reconstruction of the input of LG-ANNA-Embedding (arXiv 2506.07438): examples, then the instruction, then the
    query; passages bare. The paper gives the order and the words `Examples`, `Instruct` and `Query`; how an example
    is written, and the lines, are ours.

    Args:
        task: What is to be retrieved, in a sentence; empty for no prompt at all.
        examples: Shown before the instruction.

    Example:
        >>> prompts = instruction_prompts("Find the answer", [FewShot(query="1 + 1", document="2")])
        >>> (prompts.query + "2 + 2").splitlines()
        ['Examples:', 'Query: 1 + 1', 'Passage: 2', '', 'Instruct: Find the answer', 'Query: 2 + 2']
    """
    shown = "".join(f"Query: {example.query}\nPassage: {example.document}\n\n" for example in examples)
    instruction = f"Instruct: {task}\nQuery: " if task else ""
    return Prompts(query=(f"Examples:\n{shown}" if shown else "") + instruction)


def read_prompts(folder: Path) -> Prompts:
    """Return the prompts in the configuration of a model folder; empty ones where it gives none."""
    config = folder / "config_sentence_transformers.json"
    given = json.loads(config.read_text(encoding="utf-8")).get("prompts", {}) if config.is_file() else {}
    return own_prompts(given) or Prompts()
