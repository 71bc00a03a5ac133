"""A small server of OpenAI's embeddings protocol, that can be told to misbehave; for tests, on this machine alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

__all__ = ["EmbeddingServer", "Fault", "serve_embeddings"]

Rows = list[dict[str, Any]]
Fault = Callable[[Rows], "Rows | tuple[int, dict[str, str], dict[str, Any]] | float"]
"""Makes of the rows of an answer other rows; or a status with headers and body; or seconds to sleep first."""


class EmbeddingServer:
    """What a server was asked, and what it is to do wrong.

    Attributes:
        url: Its address, with `/v1`.
        requests: The body of each request, in the order of arrival.
        keys: The Authorization header of each.
        faults: One for each of the next requests, taken from the front.
    """

    def __init__(self, encode: Callable[[Sequence[str]], np.ndarray]) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.faults: list[Fault | None] = []
        self._encode = encode
        self._lock = threading.Lock()

    def answer(self, body: dict[str, Any], key: str | None) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return status, headers and body."""
        with self._lock:
            self.requests.append(body)
            self.keys.append(key)
            fault = self.faults.pop(0) if self.faults else None
        vectors = self._encode(body["input"])[:, : body.get("dimensions")]
        rows: Rows = [{"object": "embedding", "index": i, "embedding": v.tolist()} for i, v in enumerate(vectors)]
        made = rows if fault is None else fault(rows)
        if isinstance(made, tuple):
            return made
        if isinstance(made, float):
            time.sleep(made)
            made = rows
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return 200, {}, {"object": "list", "data": made, "model": body["model"], "usage": usage}

    def texts(self) -> list[str]:
        """Return the texts of all requests, in order."""
        return [text for body in self.requests for text in body["input"]]


@contextmanager
def serve_embeddings(encode: Callable[[Sequence[str]], np.ndarray]) -> Iterator[EmbeddingServer]:
    """Serve until the block ends.

    Args:
        encode: Gives the vectors, float, shape (texts, dimension).
    """
    state = EmbeddingServer(encode)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Answer one request."""
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = state.answer(body, self.headers["Authorization"])
            data = json.dumps(answer).encode()
            try:
                self.send_response(status)
                for name, value in {**headers, "Content-Type": "application/json"}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            except OSError:  # the client has given up
                pass

        def log_message(self, *_: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
