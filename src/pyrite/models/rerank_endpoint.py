"""A server that reranks, over HTTP."""

from __future__ import annotations

import email.utils
import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError, SettingsError
from pyrite.models.scorer_settings import EndpointSettings
from pyrite.settings import Json

__all__ = ["RerankEndpoint"]

_LONGEST_WAIT = 60.0
_SHOWN = 300


class RerankEndpoint:
    """Scores pairs by a server's `/rerank`.

    A request holds one query and up to `batch` of its documents; several are under way at once. A failure that may
    pass is tried again, after the time that the server names or after 1, 2, 4 ... seconds. An answer has to give one
    finite score for each document.

    Args:
        settings: The server, the model, and how to ask.

    Raises:
        SettingsError: The variable for the key is named and not set.

    Example:
        ```python
        settings = EndpointSettings(base_url="http://localhost:8000/v1", model="BAAI/bge-reranker-v2-m3")
        RerankEndpoint(settings).score([("what is fool's gold", "Pyrite is called fool's gold.")])
        ```
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self._settings = settings
        self._headers = {"Content-Type": "application/json", "Accept": "application/json", **_authorisation(settings)}
        self._url = settings.base_url.rstrip("/") + "/rerank"

    @property
    def score_kind(self) -> ScoreKind:
        """What the settings say."""
        return ScoreKind(self._settings.scores)

    def identity(self) -> Json:
        """Return server, model and protocol. Nothing tells whether the server changed the model behind a name."""
        return self._settings.identity()

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return one score for each (query text, document text): float64, shape (len(pairs),).

        Raises:
            ModelError: The server cannot be reached, refuses, or answers something else than a score for each document.
        """
        documents: dict[str, dict[str, None]] = {}
        for query, document in pairs:
            documents.setdefault(query, {})[document] = None
        requests = list(_requests(documents, self._settings.batch))
        with ThreadPoolExecutor(self._settings.concurrency) as pool:
            # After the first failure the requests that have not started are not sent any more.
            futures = [pool.submit(self._ask, query, part) for query, part in requests]
            try:
                answers = [future.result() for future in futures]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        scores = {
            (query, document): score
            for (query, part), answer in zip(requests, answers, strict=True)
            for document, score in zip(part, answer, strict=True)
        }
        return np.array([scores[pair] for pair in pairs], dtype=np.float64)

    def _ask(self, query: str, documents: Sequence[str]) -> list[float]:
        body = _body(self._settings, query, documents)
        return self._read(self._post(body), len(documents))

    def _post(self, body: Mapping[str, Any]) -> Any:
        request = Request(self._url, json.dumps(body).encode(), self._headers, method="POST")
        for tried in range(self._settings.retries + 1):
            try:
                with urlopen(request, timeout=self._settings.timeout) as answer:
                    return json.loads(answer.read())
            except HTTPError as error:
                told, wait = f"status {error.code}: {_text(error)}", _retry_after(error.headers.get("Retry-After"))
                passes = error.code in {408, 429} or error.code >= 500
            except ValueError as error:
                raise ModelError(f"{self._url}: answered something that is not JSON ({error})") from error
            except (URLError, OSError) as error:
                told, wait, passes = f"no answer ({error})", None, True
            if not passes:
                raise ModelError(f"{self._url}: refuses, {told}. Check base_url, model and the key")
            if tried < self._settings.retries:
                time.sleep(min(2.0**tried if wait is None else wait, _LONGEST_WAIT))
        raise ModelError(
            f"{self._url}: {told}, after {self._settings.retries + 1} tries. Start the server, or give it more time by "
            "timeout and retries"
        )

    def _read(self, answer: Any, count: int) -> list[float]:
        rows: Any = answer.get("results") if self._settings.protocol == "jina" and isinstance(answer, dict) else answer
        name = "relevance_score" if self._settings.protocol == "jina" else "score"
        try:
            scores = {int(row["index"]): float(row[name]) for row in rows}
        except (TypeError, KeyError, ValueError) as error:
            raise self._fault(f"wants a list of index and {name} ({error!r})", answer) from error
        if len(rows) != count or set(scores) != set(range(count)):
            raise self._fault(f"wants each of {count} documents once, gives the indices {sorted(scores)}", answer)
        for score in scores.values():
            if not math.isfinite(score):
                raise self._fault("a score is not a finite number", answer)
            if self._settings.scores == "probability" and not 0 <= score <= 1:
                raise self._fault(f"the score {score} is no probability; set scores to logit", answer)
        return [scores[index] for index in range(count)]

    def _fault(self, what: str, answer: Any) -> ModelError:
        return ModelError(f"{self._url}: {what}; it answered {json.dumps(answer)[:_SHOWN]}")


def _authorisation(settings: EndpointSettings) -> dict[str, str]:
    if settings.api_key_env is None:
        return {}
    key = os.environ.get(settings.api_key_env)
    if not key:
        raise SettingsError(f"api_key_env: the environment variable {settings.api_key_env} is not set")
    return {"Authorization": f"Bearer {key}"}


def _requests(documents: Mapping[str, Mapping[str, None]], batch: int) -> Iterator[tuple[str, list[str]]]:
    for query, texts in documents.items():
        distinct = list(texts)
        for start in range(0, len(distinct), batch):
            yield query, distinct[start : start + batch]


def _body(settings: EndpointSettings, query: str, documents: Sequence[str]) -> dict[str, Any]:
    if settings.protocol == "tei":
        return {"query": query, "texts": list(documents), "raw_scores": settings.scores != "probability"}
    named = {} if settings.model is None else {"model": settings.model}
    return {**named, "query": query, "documents": list(documents), "top_n": len(documents)}


def _retry_after(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Read seconds, or a date, from the header; None where it is absent or neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now())
    except ValueError:
        return None


def _text(error: HTTPError) -> str:
    try:
        with error:
            return error.read(_SHOWN).decode("utf-8", "replace").strip() or str(error.reason)
    except OSError:
        return str(error.reason)
