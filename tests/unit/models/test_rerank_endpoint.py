from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from pyrite.data import ScoreKind
from pyrite.errors import ModelError, SettingsError
from pyrite.models import rerank_endpoint
from pyrite.models.rerank_endpoint import RerankEndpoint
from pyrite.models.scorer_settings import EndpointSettings
from pyrite.settings import parse_settings
from pyrite.testing import check_pair_scorer

Reply = tuple[int, dict[str, str], Any]
PAIRS = [("gold", "fool's gold"), ("gold", "a"), ("iron", "iron oxide rust"), ("gold", "a")]


class Server:
    """Answers as its `reply` says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.reply: Callable[[dict[str, Any]], Reply] = lambda body: (200, {}, ranked(body))
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, body, dict(self.headers)))
                status, headers, answer = server.reply(body)
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A client that stopped waiting is part of the tests, and nothing to write about.
        self.http.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def scorer(self, **settings: Any) -> RerankEndpoint:
        return RerankEndpoint(EndpointSettings(base_url=self.url, **settings))

    def first(self, *replies: Reply) -> None:
        """Give these replies first, then good ones."""
        waiting = list(replies)
        self.reply = lambda body: waiting.pop(0) if waiting else (200, {}, ranked(body))


def ranked(body: dict[str, Any]) -> dict[str, Any]:
    """Score a document by its length, best first."""
    scores = [(index, 1 / (1 + len(text))) for index, text in enumerate(body["documents"])]
    return {"results": [{"index": i, "relevance_score": s} for i, s in sorted(scores, key=lambda one: -one[1])]}


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(rerank_endpoint.time, "sleep", waited.append)
    return waited


def test_it_keeps_the_protocol(server: Server) -> None:
    check_pair_scorer(server.scorer())


def test_scores_come_back_in_the_order_of_the_pairs(server: Server) -> None:
    scorer = server.scorer(model="m", concurrency=1)
    assert scorer.score(PAIRS).tolist() == [1 / 12, 1 / 2, 1 / 16, 1 / 2]
    assert scorer.score_kind is ScoreKind.PROBABILITY
    path, body, headers = server.asked[0]
    assert path == "/v1/rerank"
    assert body == {"model": "m", "query": "gold", "documents": ["fool's gold", "a"], "top_n": 2}
    assert "Authorization" not in headers
    assert len(server.asked) == 2


def test_documents_are_asked_in_batches_and_each_once(server: Server) -> None:
    pairs = [("q", "d" * (n % 7)) for n in range(50)]
    scores = server.scorer(batch=3).score(pairs)
    assert np.allclose(scores, [1 / (1 + n % 7) for n in range(50)])
    assert sorted(len(body["documents"]) for _, body, _ in server.asked) == [1, 3, 3]


def test_the_other_protocol(server: Server) -> None:
    server.reply = lambda body: (200, {}, [{"index": i, "score": -i} for i in range(len(body["texts"]))])
    scorer = server.scorer(protocol="tei", scores="logit")
    assert scorer.score(PAIRS[:2]).tolist() == [0, -1]
    assert server.asked[0][1] == {"query": "gold", "texts": ["fool's gold", "a"], "raw_scores": True}


def test_the_key_comes_from_the_environment_and_is_no_identity(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="the environment variable RERANK_KEY is not set"):
        server.scorer(api_key_env="RERANK_KEY")
    monkeypatch.setenv("RERANK_KEY", "a secret")
    scorer = server.scorer(api_key_env="RERANK_KEY")
    scorer.score(PAIRS)
    assert server.asked[0][2]["Authorization"] == "Bearer a secret"
    assert scorer.identity() == server.scorer(batch=1, timeout=1.0, retries=0).identity()
    assert scorer.identity() != server.scorer(model="another").identity()


def test_what_may_pass_is_tried_again_after_the_named_time(server: Server, waits: list[float]) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    server.first((429, {"Retry-After": "7"}, {}), (503, {"Retry-After": later}, {}), (500, {"Retry-After": "soon"}, {}))
    scores = server.scorer(concurrency=1).score(PAIRS[:2])
    assert scores.tolist() == [1 / 12, 1 / 2]
    assert (waits[0], waits[2]) == (7, 4)
    assert 25 < waits[1] <= 30


def test_waiting_is_bounded(server: Server, waits: list[float]) -> None:
    server.first((429, {"Retry-After": "86400"}, {}))
    server.scorer(concurrency=1).score(PAIRS[:2])
    assert waits == [60]


def test_after_the_last_try_the_reason_is_told(server: Server, waits: list[float]) -> None:
    server.reply = lambda body: (503, {}, b"loading the model")
    with pytest.raises(ModelError, match="status 503: loading the model, after 3 tries"):
        server.scorer(retries=2, concurrency=1).score(PAIRS[:2])
    assert waits == [1, 2]


def test_a_refusal_is_not_tried_again(server: Server, waits: list[float]) -> None:
    server.reply = lambda body: (401, {}, {"error": "who are you"})
    with pytest.raises(ModelError, match=r"refuses, status 401: .*who are you.*Check base_url"):
        server.scorer(concurrency=1).score(PAIRS[:2])
    assert (len(server.asked), waits) == (1, [])


def test_no_server_is_told(waits: list[float]) -> None:
    with pytest.raises(ModelError, match=r"no answer .* after 2 tries"):
        RerankEndpoint(EndpointSettings(base_url="http://127.0.0.1:9", retries=1)).score(PAIRS)


def test_a_server_that_hangs_is_not_waited_for(server: Server, waits: list[float]) -> None:
    released = threading.Event()
    server.reply = lambda body: (released.wait(10), (200, {}, ranked(body)))[1]
    start = time.monotonic()
    with pytest.raises(ModelError, match="no answer"):
        server.scorer(timeout=0.2, retries=0, concurrency=1).score(PAIRS[:2])
    released.set()
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"<html>gateway</html>", "answered something that is not JSON"),
        ({"data": []}, "wants a list of index and relevance_score"),
        ({"results": [{"index": 0}]}, "wants a list of index and relevance_score"),
        ({"results": [{"index": 0, "relevance_score": None}]}, "wants a list of index and relevance_score"),
        ({"results": [{"index": 0, "relevance_score": 0.5}]}, r"each of 2 documents once, gives the indices \[0\]"),
        ({"results": [{"index": i, "relevance_score": 0.5} for i in (0, 0)]}, "each of 2 documents once"),
        ({"results": [{"index": i, "relevance_score": 0.5} for i in (0, 1, 1)]}, "each of 2 documents once"),
        ({"results": [{"index": i, "relevance_score": 0.5} for i in (1, 2)]}, r"gives the indices \[1, 2\]"),
        ({"results": [{"index": i, "relevance_score": float("nan")} for i in (0, 1)]}, "not a finite number"),
        ({"results": [{"index": i, "relevance_score": 3.0} for i in (0, 1)]}, "3.0 is no probability; set scores"),
    ],
)
def test_a_bad_answer_is_never_filled_up(server: Server, answer: Any, fault: str) -> None:
    server.reply = lambda body: (200, {}, answer)
    with pytest.raises(ModelError, match=fault):
        server.scorer(concurrency=1).score(PAIRS[:2])


def test_settings_are_checked() -> None:
    with pytest.raises(SettingsError, match="base_url"):
        parse_settings(EndpointSettings, {"base_url": "localhost:8000"}, "here")
