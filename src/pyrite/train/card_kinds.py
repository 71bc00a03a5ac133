"""What a model card says of each kind of model: what it is for, how it is used, and how the hub files it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.settings import Json

__all__ = ["CardKind", "dense_retriever", "reranker", "selection_model"]

_FOLDER = "path/to/this/folder"

_DENSE = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("{folder}")
queries = model.encode(["a question"], prompt={query!r})
documents = model.encode(["a document"], prompt={document!r})
scores = model.similarity(queries, documents)"""

_CROSS = """from sentence_transformers import CrossEncoder

model = CrossEncoder("{folder}")
scores = model.predict([("a question", "a document")])"""

_YES_NO = """from pyrite.models import YesNoScorer, YesNoSettings

settings = YesNoSettings({settings})
scores = YesNoScorer.load(settings).score([("a question", "a document")])"""


@dataclass(frozen=True, slots=True)
class CardKind:
    """A kind of model.

    Attributes:
        noun: What one is called, after "a".
        purpose: What it is trained for, after "to".
        header: What the hub reads at the head of the card.
        use: How it is loaded and called: Python.
    """

    noun: str
    purpose: str
    header: Mapping[str, Json]
    use: str


def dense_retriever(prompts: Mapping[str, str]) -> CardKind:
    """Return what a card says of an encoder.

    Args:
        prompts: What stood before the texts: {"query": ..., "document": ...}.
    """
    return CardKind(
        noun="dense retriever",
        purpose="rank documents for queries",
        header={
            "library_name": "sentence-transformers",
            "pipeline_tag": "sentence-similarity",
            "tags": ["sentence-transformers", "dense-retrieval", "pyrite"],
        },
        use=_DENSE.format(folder=_FOLDER, query=prompts.get("query", ""), document=prompts.get("document", "")),
    )


def reranker(start: CrossEncoderSettings | YesNoSettings) -> CardKind:
    """Return what a card says of a model that scores pairs.

    Args:
        start: How the model that it was trained from is loaded: the trained one is loaded alike.
    """
    cross = isinstance(start, CrossEncoderSettings)
    return CardKind(
        noun="reranker",
        purpose="score a query and a document together",
        header={
            "library_name": "sentence-transformers" if cross else "transformers",
            "pipeline_tag": "text-ranking",
            "tags": [*(["sentence-transformers", "cross-encoder"] if cross else []), "reranker", "pyrite"],
        },
        use=_CROSS.format(folder=_FOLDER) if cross else _YES_NO.format(settings=_arguments(start)),
    )


def selection_model(start: CrossEncoderSettings) -> CardKind:
    """Return what a card says of a model of selection for judging, which CET trains beside a reranker.

    Args:
        start: How the model that it was trained from is loaded.
    """
    kind = reranker(start)
    tags = [tag for tag in kind.header["tags"] if tag != "reranker"]
    return CardKind(
        noun="model of selection",
        purpose="say which documents a pool would have brought before a judge; it is no reranker",
        header={**kind.header, "tags": tags},
        use=kind.use,
    )


def _arguments(start: CrossEncoderSettings | YesNoSettings) -> str:
    """Write settings as arguments, the trained folder in the place of the model that it was trained from."""
    said = start.model_dump(exclude_defaults=True, exclude={"type", "model", "revision"})
    return ", ".join(f"{name}={value!r}" for name, value in {"model": _FOLDER, **said}.items())
