"""An endpoint that behaves, and many that do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyrite.errors import ModelError, SettingsError
from pyrite.models.endpoint import EndpointEncoder, request_batches
from pyrite.models.settings import OpenAISettings, Prompts
from pyrite.settings import parse_settings
from pyrite.testing.conformance import check_encoder
from pyrite.testing.embedding_server import EmbeddingServer, serve_embeddings
from pyrite.testing.encoders import HashingEncoder

pytest.importorskip("openai", reason="needs the package openai (extra llm)")
HASHING = HashingEncoder(16)
TEXTS = [f"pyrite number {number}" for number in range(7)]


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    """Give vectors of length 3, so that scaling shows."""
    with serve_embeddings(lambda texts: 3 * HASHING.encode(texts, "document")) as server:
        yield server


def encoder_of(server: EmbeddingServer, **settings: Any) -> EndpointEncoder:
    settings = {"retries": 2, "batch_size": 3, "concurrency": 1, "timeout": 20, **settings}
    return EndpointEncoder(OpenAISettings(model="m", base_url=server.url, **settings))


def test_protocol(server: EmbeddingServer) -> None:
    check_encoder(encoder_of(server, concurrency=4))


def test_vectors_are_scaled_and_in_order(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, concurrency=4)
    assert np.allclose(encoder.encode(TEXTS, "document"), HASHING.encode(TEXTS, "document"), atol=1e-6)
    assert encoder.dimension == 16
    assert [len(body["input"]) for body in server.requests[:1]] == [1]
    assert sorted(len(body["input"]) for body in server.requests[1:]) == [1, 3, 3]


def test_each_text_is_sent_once(server: EmbeddingServer) -> None:
    vectors = encoder_of(server).encode(["gold", "iron", "gold"], "query")
    assert server.texts()[1:] == ["gold", "iron"]
    assert np.array_equal(vectors[0], vectors[2])


def test_prompts_and_the_cut(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, prompts=Prompts(query="q: ", document="d: "), max_characters=6)
    encoder.encode(["golden"], "query")
    encoder.encode(["golden"], "document")
    assert server.texts()[1:] == ["q: gol", "d: gol"]


def test_dimensions_are_asked_for(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, dimensions=4)
    assert encoder.encode(TEXTS, "query").shape == (7, 4)
    assert {body["dimensions"] for body in server.requests} == {4}


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_failure_for_now_is_asked_again(server: EmbeddingServer, status: int) -> None:
    encoder = encoder_of(server)
    dimension = encoder.dimension
    busy = lambda _: (status, {"Retry-After": "0.01"}, {"error": {"message": "busy"}})  # noqa: E731
    server.faults = [busy, busy]
    assert encoder.encode(["gold"], "query").shape == (1, dimension)
    assert len(server.requests) == 4


def test_the_server_says_how_long_to_wait(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(server)
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    server.faults = [lambda _: (429, {"Retry-After": "17"}, {})]
    encoder.encode(["gold"], "query")
    assert 17 in slept


def test_an_endless_failure_ends_in_an_error(server: EmbeddingServer) -> None:
    server.faults = [lambda _: (500, {"Retry-After": "0.01"}, {"error": {"message": "on fire"}})] * 9
    with pytest.raises(ModelError, match=r"refused a request: .*500.*on fire"):
        encoder_of(server).encode(TEXTS, "query")
    assert len(server.requests) == 3


def test_a_late_answer_is_asked_again(server: EmbeddingServer) -> None:
    encoder = encoder_of(server, timeout=0.3)
    assert encoder.dimension == 16
    server.faults = [lambda _: 0.8]
    assert encoder.encode(["gold"], "query").shape == (1, 16)


def test_nobody_there() -> None:
    encoder = EndpointEncoder(OpenAISettings(model="m", base_url="http://127.0.0.1:9/v1", retries=0))
    with pytest.raises(ModelError, match=r"http://127.0.0.1:9/v1 \(m\): no answer \(Connection error"):
        encoder.encode(["gold"], "query")


def test_an_address_without_its_protocol_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"here.base_url: .*\^https\?://.* \(given: 'localhost:9/v1'\)"):
        parse_settings(OpenAISettings, {"model": "m", "base_url": "localhost:9/v1"}, "here")


def test_answers_out_of_order_are_put_right(server: EmbeddingServer) -> None:
    encoder = encoder_of(server)
    server.faults = [None, lambda rows: rows[::-1]]
    assert np.allclose(encoder.encode(TEXTS, "query"), HASHING.encode(TEXTS, "query"), atol=1e-6)


def spoilt(component: float) -> Any:
    return lambda rows: [{**rows[0], "embedding": [component, *rows[0]["embedding"][1:]]}, *rows[1:]]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda rows: rows[:-1], r"answered 2 vectors, numbered 0, 1, for 3 texts"),
        (lambda rows: [rows[0], rows[0], rows[1]], r"answered 3 vectors, numbered 0, 0, 1, for 3 texts"),
        (lambda rows: [*rows, rows[0]], r"answered 4 vectors"),
        (lambda rows: [], r"No embedding data received"),
        (spoilt(float("nan")), r"infinite or undefined component"),
        (spoilt(float("inf")), r"infinite or undefined component"),
        (lambda rows: [{**row, "embedding": row["embedding"][:5]} for row in rows], r"shape \(3, 5\), wants \(3, 16\)"),
        (lambda rows: [{**rows[0], "embedding": [1.0]}, *rows[1:]], r"something else than vectors of one length"),
        (lambda rows: (200, {}, {"hello": "world"}), r"No embedding data received|something else"),
    ],
)
def test_a_wrong_answer_is_an_error(server: EmbeddingServer, fault: Any, message: str) -> None:
    server.faults = [None, fault]
    with pytest.raises(ModelError, match=message):
        encoder_of(server).encode(TEXTS, "query")


def test_a_refusal_says_what_may_help(server: EmbeddingServer) -> None:
    server.faults = [None, lambda _: (400, {}, {"error": {"message": "too long"}})]
    with pytest.raises(ModelError, match=r"too long.*; the longest of its 2 texts has 900 characters \(max_characters"):
        encoder_of(server).encode(["gold", "x" * 900], "query")


def test_the_key_comes_from_the_environment_and_stays_there(
    server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_KEY", "secret-7")
    encoder = encoder_of(server, api_key_env="MY_KEY")
    encoder.save(tmp_path)
    assert server.keys == ["Bearer secret-7"]
    assert "secret-7" not in (tmp_path / "endpoint.json").read_text()
    assert "secret-7" not in str(encoder.identity())
    server.faults = [lambda _: (401, {}, {"error": {"message": "bad key secret-7"}})]
    with pytest.raises(ModelError, match=r"bad key \*\*\*.*environment variable MY_KEY") as caught:
        EndpointEncoder.open(tmp_path).encode(["gold"], "query")
    assert "secret-7" not in str(caught.value)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ModelError, match="wants a key in the environment variable OPENAI_API_KEY"):
        EndpointEncoder(OpenAISettings(model="m")).encode(["gold"], "query")


def test_another_model_under_the_same_name_is_noticed(server: EmbeddingServer, tmp_path: Path) -> None:
    encoder_of(server).save(tmp_path)
    assert EndpointEncoder.open(tmp_path).dimension == 16
    assert EndpointEncoder.open(tmp_path).encode(["gold"], "query").shape == (1, 16)
    server.faults = [lambda rows: [{**row, "embedding": row["embedding"][::-1]} for row in rows]]
    with pytest.raises(ModelError, match="gives other vectors than when it was brought in"):
        EndpointEncoder.open(tmp_path).encode(["gold"], "query")


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text("{}")
    with pytest.raises(ModelError, match=r"endpoint\.json: damaged"):
        EndpointEncoder.open(tmp_path)


def test_identity_names_what_vectors_depend_on() -> None:
    def identity(**settings: Any) -> Any:
        return EndpointEncoder(OpenAISettings(**{"model": "m", **settings})).identity()

    same = [{}, {"concurrency": 9}, {"batch_size": 5}, {"timeout": 1}, {"retries": 1}, {"api_key_env": "K"}]
    assert all(identity(**settings) == identity() for settings in same)
    other = [
        {"model": "n"},
        {"base_url": "http://127.0.0.1/v1"},
        {"revision": "2"},
        {"dimensions": 8},
        {"prompts": Prompts(query="q: ")},
        {"max_characters": 5},
    ]
    assert all(identity(**settings) != identity() for settings in other)
    moved = [identity(revision="2", base_url=f"http://{host}/v1") for host in ("here", "there")]
    assert moved[0] == moved[1]


def test_settings_out_of_range() -> None:
    with pytest.raises(SettingsError, match=r"here\.batch_size: input should be less than or equal to 2048"):
        parse_settings(OpenAISettings, {"model": "m", "batch_size": 4000}, "here")


@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 5), st.integers(1, 40))
def test_requests_hold_every_text_once_within_the_bounds(lengths: list[int], texts: int, characters: int) -> None:
    batches = list(request_batches(lengths, texts, characters))
    assert [row for batch in batches for row in batch] == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= texts
        assert len(batch) == 1 or sum(lengths[row] for row in batch) <= characters
