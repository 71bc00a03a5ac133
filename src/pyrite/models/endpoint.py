"""An encoder behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.extras import require
from pyrite.models.protocols import Role
from pyrite.models.settings import OpenAISettings
from pyrite.settings import Json, parse_settings

__all__ = ["ENDPOINT_FILE", "EndpointEncoder", "request_batches"]

ENDPOINT_FILE = "endpoint.json"
# A server may have come to serve another model under the same name since the vectors in the store were made.
_PROBE = "Pyrite is an iron sulfide with a metallic lustre and a pale brass-yellow hue."
_PROBE_COSINE = 0.99


class EndpointEncoder:
    """An `Encoder` that asks a server.

    Busy, broken and late answers are asked for again. Vectors have unit length, so that scores are cosines.

    Args:
        settings: Where the server is, and how to ask.
        probe: The unit vector that the server gave for a fixed text when it was brought in, float32; the first request
            checks that it still does. None for a server met for the first time.

    Example:
        ```python
        encoder = EndpointEncoder(OpenAISettings(model="text-embedding-3-small"))
        encoder.encode(["what is pyrite"], "query").shape  # (1, 1536)
        ```
    """

    def __init__(self, settings: OpenAISettings, probe: np.ndarray | None = None) -> None:
        self.settings = settings
        self._expected = probe

    @classmethod
    def open(cls, folder: Path) -> EndpointEncoder:
        """Open what `save` wrote.

        Raises:
            ModelError: The file is damaged.
        """
        file = folder / ENDPOINT_FILE
        try:
            head = json.loads(file.read_text(encoding="utf-8"))
            probe = np.array(head["probe"], dtype=np.float32)
            return cls(parse_settings(OpenAISettings, head["settings"], str(file)), probe)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{file}: damaged ({error}); run the stage `model` again") from error

    def save(self, folder: Path) -> None:
        """Ask the server for the vector of a fixed text, and write it beside the settings.

        Raises:
            ModelError: The server did not answer as it should.
        """
        folder.mkdir(parents=True, exist_ok=True)
        head = {"settings": self.settings.model_dump(mode="json"), "probe": self._probe.tolist()}
        (folder / ENDPOINT_FILE).write_text(json.dumps(head), encoding="utf-8")

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return self.settings.dimensions or len(self._probe if self._expected is None else self._expected)

    @property
    def score_kind(self) -> ScoreKind:
        """Cosines."""
        return ScoreKind.COSINE

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension); zeros where the server gives zeros.

        Each distinct text is sent once.

        Raises:
            ModelError: The server refused, kept failing, or answered something else than one vector for each text.
        """
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        # Asked for first, so that a server that changed is noticed before it is paid.
        dimension = len(self._probe)
        prompt = self.settings.prompts.query if role == "query" else self.settings.prompts.document
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        sent = [(prompt + text)[: self.settings.max_characters] for text in rows]
        vectors = self._ask_all(sent, dimension)
        return vectors[[rows[text] for text in texts]]

    def identity(self) -> Json:
        """Return the model's name, its revision or else its address, dimensions, prompts and the cut."""
        settings = self.settings
        served = {"revision": settings.revision} if settings.revision else {"base_url": settings.base_url.rstrip("/")}
        return {
            "endpoint": settings.model,
            **served,
            "dimensions": settings.dimensions,
            "prompts": settings.prompts.identity(),
            "max_characters": settings.max_characters,
        }

    @cached_property
    def _probe(self) -> np.ndarray:
        """Return the vector of the fixed text, and check that it is the one of old.

        A text as short as this one is cut by nothing but `max_characters`, and takes no prompt.
        """
        given: np.ndarray = self._ask([_PROBE], self.settings.dimensions)[0]
        expected = self._expected
        if expected is None:
            return given
        if len(given) != len(expected) or float(given @ expected) < _PROBE_COSINE:
            raise ModelError(
                f"{self._where}: gives other vectors than when it was brought in: another model under the same name? "
                "Give the encoder's settings another `revision`, so that its vectors are kept apart"
            )
        return given

    def _ask_all(self, texts: list[str], dimension: int) -> np.ndarray:
        settings = self.settings
        batches = request_batches([len(text) for text in texts], settings.batch_size, settings.batch_characters)
        with ThreadPoolExecutor(settings.concurrency) as pool:
            # A failure ends the loop, and takes those requests back that have not been sent.
            parts = pool.map(lambda rows: self._ask(texts[rows.start : rows.stop], dimension), batches)
            return np.concatenate(list(parts))

    def _ask(self, texts: list[str], dimension: int | None) -> np.ndarray:
        """Send one request; return unit vectors, of that dimension where it is known."""
        import openai

        chosen = {} if self.settings.dimensions is None else {"dimensions": self.settings.dimensions}
        try:
            answer = self._client.embeddings.create(model=self.settings.model, input=texts, **chosen)
        except openai.APIStatusError as error:
            raise ModelError(self._refusal(error, texts)) from error
        except (openai.OpenAIError, ValueError) as error:
            cause = f"{error}; {error.__cause__}" if error.__cause__ else str(error)
            raise ModelError(f"{self._where}: no answer ({cause}), after {self.settings.retries} retries") from error
        return self._checked(answer.data, len(texts), dimension)

    def _checked(self, rows: Any, wanted: int, dimension: int | None) -> np.ndarray:
        """Bring an answer in order and check it; return unit vectors."""
        try:
            numbers = [row.index for row in rows]
            order = np.argsort(numbers, kind="stable")
            vectors = np.array([rows[place].embedding for place in order], dtype=np.float32)
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"{self._where}: answered something else than vectors of one length ({error})") from error
        if sorted(numbers) != list(range(wanted)):
            raise ModelError(
                f"{self._where}: answered {len(numbers)} vectors, numbered {_some(numbers)}, for {wanted} texts"
            )
        if vectors.ndim != 2 or vectors.shape[1] != (dimension or vectors.shape[1]):
            raise ModelError(f"{self._where}: answered vectors of shape {vectors.shape}, wants {(wanted, dimension)}")
        if not np.isfinite(vectors).all():
            raise ModelError(f"{self._where}: answered a vector with an infinite or undefined component")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: np.ndarray = vectors / np.where(lengths > 0, lengths, 1)
        return unit

    @cached_property
    def _client(self) -> Any:
        openai = require("openai", "llm")
        settings = self.settings
        key = os.environ.get(settings.api_key_env)
        if not key:
            if settings.base_url == OpenAISettings.model_fields["base_url"].default:
                raise ModelError(f"{self._where}: wants a key in the environment variable {settings.api_key_env}")
            key = "none"
        return openai.OpenAI(
            api_key=key, base_url=settings.base_url, timeout=settings.timeout, max_retries=settings.retries
        )

    @property
    def _where(self) -> str:
        return f"the embeddings endpoint {self.settings.base_url} ({self.settings.model})"

    def _refusal(self, error: Any, texts: Sequence[str]) -> str:
        message = str(error)
        key = os.environ.get(self.settings.api_key_env)
        if key:
            message = message.replace(key, "***")
        hint = ""
        if error.status_code in {401, 403}:
            hint = f"; the key is taken from the environment variable {self.settings.api_key_env}"
        elif error.status_code in {400, 413, 422}:
            longest = max(map(len, texts))
            hint = f"; the longest of its {len(texts)} texts has {longest} characters (max_characters cuts them)"
        return f"{self._where}: refused a request: {message}{hint}"


def request_batches(lengths: Sequence[int], most_texts: int, most_characters: int) -> Iterator[range]:
    """Yield the rows of each request: at most so many texts and characters, a single longer text apart.

    Example:
        >>> list(request_batches([4, 4, 9, 1], most_texts=3, most_characters=8))
        [range(0, 2), range(2, 3), range(3, 4)]
    """
    start = 0
    characters = 0
    for row, length in enumerate(lengths):
        if row > start and (row - start == most_texts or characters + length > most_characters):
            yield range(start, row)
            start, characters = row, 0
        characters += length
    if lengths:
        yield range(start, len(lengths))


def _some(numbers: Sequence[Any]) -> str:
    shown = ", ".join(str(number) for number in numbers[:8])
    return f"{shown} ..." if len(numbers) > 8 else shown
