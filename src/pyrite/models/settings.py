"""How a file names an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pyrite.models.named import NamedModel
from pyrite.models.precision import Precision
from pyrite.settings import Json, Settings, content_hash

__all__ = [
    "CausalLMSettings",
    "EncoderSettings",
    "FewShot",
    "OpenAISettings",
    "PrecomputedSettings",
    "Prompts",
    "SentenceTransformerSettings",
    "VectorFiles",
    "WordLlamaSettings",
]


class Prompts(Settings):
    """What is written in front of a text before it is encoded."""

    query: str = ""
    """In front of a query."""
    document: str = ""
    """In front of a document."""


class SentenceTransformerSettings(NamedModel):
    """Any model that sentence-transformers loads: a folder, or a name on the Hugging Face hub."""

    type: Literal["sentence-transformers"] = "sentence-transformers"
    model: str
    """A folder, or the model's name on the hub."""
    revision: str | None = None
    """The commit of a hub model. It enters the key; without it the name alone does, and what was newest when the step
    first ran is kept."""
    prompts: Literal["auto", "none"] | Prompts = "auto"
    """`auto`: the model's own prompts, else those of its family (E5); `none`; or the two texts."""
    max_length: int | None = Field(default=None, ge=2)
    """Tokens after which a text is cut; the model's own where empty."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. Wants a revision."""


class FewShot(Settings):
    """An example of the task, shown in front of each query."""

    query: str = Field(min_length=1)
    """A query."""
    document: str = Field(min_length=1)
    """A document that answers it."""


class CausalLMSettings(NamedModel):
    """A causal language model as an encoder: the vector of a text is that of its last token, at unit length.

    Queries stand behind an instruction, documents alone. Untrained, it is a poor encoder: train it.
    """

    type: Literal["causal-lm"] = "causal-lm"
    model: str
    """A folder that transformers loads, or the model's name on the hub."""
    revision: str | None = None
    """The commit of a hub model. It enters the key; without it the name alone does."""
    task: str = "Given a question, retrieve passages that answer it"
    """The instruction in front of each query; without one (an empty text) queries stand alone as documents do."""
    examples: tuple[FewShot, ...] = ()
    """Examples in front of the instruction. They lengthen every query."""
    max_length: int = Field(default=512, ge=8)
    """Tokens after which a text is cut, the instruction and the token at the end included."""
    precision: Precision = "fp32"
    """The type that the weights are kept in. A model published in `bf16` loses nothing by it, and takes half the
    room."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. Wants a revision."""

    @model_validator(mode="after")
    def _examples_of_a_task(self) -> Self:
        if self.examples and not self.task:
            raise ValueError("examples want a task that they are examples of")
        return self


class WordLlamaSettings(Settings):
    """WordLlama's 256-dimensional static embedding, whose weights its wheel carries (extra `demo`)."""

    type: Literal["wordllama"] = "wordllama"

    def identity(self) -> Json:
        """Return the type and the version of the wheel."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return {"type": self.type, "version": version("wordllama")}
        except PackageNotFoundError:
            return {"type": self.type, "version": None}


class OpenAISettings(Settings):
    """A server that speaks OpenAI's protocol of embeddings: OpenAI, vLLM, llama.cpp and many more (extra `llm`).

    Vectors are scaled to unit length, so that scores are cosines.
    """

    type: Literal["openai"] = "openai"
    model: str = Field(min_length=1)
    """The model's name on the server."""
    base_url: str = Field(default="https://api.openai.com/v1", pattern=r"^https?://")
    """The server's address, up to and with `/v1`."""
    revision: str | None = None
    """What tells this model from another of the same name. It stands in the vectors' identity in the place of the
    address: give it, and the server may move without anything being encoded anew."""
    dimensions: int | None = Field(default=None, ge=1)
    """Components to ask the server for, where the model lets one choose; the model's own number where empty."""
    prompts: Prompts = Prompts()
    """What is written in front of queries and documents; a server knows of none."""
    max_characters: int | None = Field(default=None, ge=1)
    """Characters after which a text is cut, its prompt included. Where empty nothing is cut, and the server decides
    what to do with a text that is too long: most refuse it."""
    api_key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key. The key itself is neither stored nor shown."""
    batch_size: int = Field(default=128, ge=1, le=2048)
    """Texts in a request."""
    batch_characters: int = Field(default=200_000, ge=1)
    """Characters in a request, a single longer text apart; OpenAI allows 300,000 tokens."""
    concurrency: int = Field(default=4, ge=1)
    """Requests under way at once."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds after which an unanswered request is sent again."""
    retries: int = Field(default=6, ge=0)
    """How often a request that failed for now (busy, broken, late) is sent again. The wait doubles each time, up to 8
    seconds, unless the server says how long (Retry-After, up to 2 minutes)."""


class VectorFiles(Settings):
    """Vectors made elsewhere, each with the id of its text."""

    vectors: Path
    """A file in numpy's format (`.npy`), shape (texts, dimension), which wants `ids` beside it; or a Parquet file."""
    ids: Path | None = None
    """For `.npy`: the ids in the order of the rows, one a line."""
    id_column: str = "id"
    """For Parquet: the column of ids."""
    vector_column: str = "vector"
    """For Parquet: the column of vectors, a list of numbers each."""

    def identity(self) -> Json:
        """Return the content of the files in the place of their paths."""
        return {
            "vectors": content_hash(self.vectors),
            "ids": None if self.ids is None else content_hash(self.ids),
            "columns": [self.id_column, self.vector_column],
        }


class PrecomputedSettings(Settings):
    """Vectors made elsewhere, for a corpus and its queries. The stage wants both tables among its inputs."""

    type: Literal["precomputed"] = "precomputed"
    documents: VectorFiles
    """The documents' vectors: one for each document of the corpus."""
    queries: VectorFiles
    """The queries' vectors: one for each query that will be searched for."""
    score: Literal["cosine", "dot"] = "cosine"
    """`cosine` scales all vectors to unit length; `dot` leaves them as they are."""
    extra: Literal["error", "drop"] = "error"
    """What to do with vectors whose id neither table knows; `drop` counts them."""
    missing: Literal["error", "keep"] = "error"
    """What to do with queries without a vector; `keep` counts them, and a search for one is an error. A document
    without a vector is always an error."""


EncoderSettings = Annotated[
    SentenceTransformerSettings | CausalLMSettings | WordLlamaSettings | OpenAISettings | PrecomputedSettings,
    Field(discriminator="type"),
]
"""An encoder by its `type`: `sentence-transformers`, `causal-lm`, `wordllama`, `openai` or `precomputed`."""
