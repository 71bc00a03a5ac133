"""How a file names a model that scores a query and a document together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pyrite.models.named import NamedModel
from pyrite.models.precision import Precision
from pyrite.settings import Json, Settings

__all__ = ["CrossEncoderSettings", "EndpointSettings", "LocalScorerSettings", "ScorerSettings", "YesNoSettings"]


class LocalScorerSettings(NamedModel):
    """A model that runs here: a folder, or a name on the Hugging Face hub."""

    model: str
    """A folder, or the model's name on the hub."""
    revision: str | None = None
    """The commit of a hub model. It enters the key; without it the name alone does."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. Wants a revision."""
    precision: Precision = "fp32"
    """What the model computes in: `fp32`, `bf16` or `fp16`."""
    max_length: int | None = Field(default=None, ge=8)
    """Tokens of query and document together; longer documents are cut. The model's own where empty."""


class CrossEncoderSettings(LocalScorerSettings):
    """Any cross-encoder that sentence-transformers loads, with one output."""

    type: Literal["cross-encoder"] = "cross-encoder"
    scores: Literal["logit", "probability"] = "logit"
    """`logit`: the model's output as it is; `probability`: its sigmoid."""


class YesNoSettings(LocalScorerSettings):
    """A language model that is asked whether the document answers the query; the score is its log-odds of yes."""

    type: Literal["llm-yes-no"] = "llm-yes-no"
    template: str | None = None
    """What is asked, with `{query}` and `{document}` in it; Pyrite's own question where empty."""
    chat: bool | None = None
    """Whether the question is put through the tokenizer's chat template; by whether there is one, where empty."""
    yes: tuple[str, ...] = Field(default=("yes", "Yes", " yes", " Yes"), min_length=1)
    """Forms of the answer yes. Those that are one token of the model count, their probabilities added up."""
    no: tuple[str, ...] = Field(default=("no", "No", " no", " No"), min_length=1)
    """Forms of the answer no."""
    max_length: int | None = Field(default=1024, ge=8)
    """Tokens of the whole question; longer documents are cut, never the question around them."""

    @field_validator("template")
    @classmethod
    def _has_places(cls, template: str | None) -> str | None:
        if template is not None and not ("{query}" in template and "{document}" in template):
            raise ValueError("wants {query} and {document} in it")
        return template


class EndpointSettings(Settings):
    """A server that reranks: one that speaks Jina's and Cohere's protocol, as vLLM's does, or a text-embeddings one."""

    type: Literal["endpoint"] = "endpoint"
    base_url: str = Field(pattern=r"^https?://")
    """What `/rerank` is appended to, such as `http://localhost:8000/v1`."""
    model: str | None = None
    """The model's name on the server."""
    protocol: Literal["jina", "tei"] = "jina"
    """`jina`: documents in, `results` with `relevance_score` out; `tei`: texts in, a list with `score` out."""
    scores: Literal["logit", "probability", "dot"] = "probability"
    """What the server's scores are; probabilities are held to [0, 1]."""
    api_key_env: str | None = None
    """The name of the environment variable that holds the key; the key itself is never written anywhere."""
    batch: int = Field(default=64, ge=1)
    """Documents in one request."""
    concurrency: int = Field(default=4, ge=1)
    """Requests under way at once."""
    timeout: float = Field(default=60.0, gt=0)
    """Seconds to wait for an answer."""
    retries: int = Field(default=5, ge=0)
    """How often a request is sent again after a failure that may pass: no connection, status 429 or from 500 up."""

    def identity(self) -> Json:
        """Return what the scores depend on: server, model and protocol, and not how it is asked."""
        return {name: getattr(self, name) for name in ("type", "base_url", "model", "protocol", "scores")}


ScorerSettings = Annotated[CrossEncoderSettings | YesNoSettings | EndpointSettings, Field(discriminator="type")]
"""A scorer by its `type`: `cross-encoder`, `llm-yes-no` or `endpoint`."""
