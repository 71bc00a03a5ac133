"""A transformer run by ONNX Runtime or OpenVINO gives the vectors of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.errors import MissingExtraError, ModelError
from pyrite.models import exported
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.testing.conformance import check_encoder
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection

KNOWN = tiny_collection().corpus.texts()
TEXTS = [*KNOWN, "Gold", " ".join(KNOWN), "pyrite gold pyrite"]
NEEDS = {"onnx": ["onnx", "onnxscript", "onnxruntime"], "openvino": ["openvino"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transformer_model(tmp_path_factory.mktemp("transformer") / "model", KNOWN)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYRITE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["onnx", "openvino"])
def backend(request: pytest.FixtureRequest) -> Any:
    for package in NEEDS[request.param]:
        pytest.importorskip(package, reason=f"needs the extra {request.param}: pip install 'pyrite[{request.param}]'")
    return request.param


def load(folder: Path, backend: Any, **options: Any) -> SentenceEncoder:
    return SentenceEncoder.load(folder, device="cpu", backend=backend, **options)


@pytest.mark.filterwarnings("ignore")
def test_vectors_are_those_of_torch_and_the_graph_is_kept(
    folder: Path, backend: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = SentenceEncoder.load(folder, device="cpu").encode(TEXTS, "document")
    encoder = load(folder, backend)
    assert np.allclose(encoder.encode(TEXTS, "document"), expected, atol=1e-5)
    check_encoder(encoder, TEXTS)
    assert encoder.identity() != SentenceEncoder.load(folder, device="cpu").identity()
    assert len(list((cache / "exported").iterdir())) == 1
    for name in ("_export_onnx", "_export_openvino"):
        monkeypatch.setattr(exported, name, lambda *_: pytest.fail("exported again"))
    assert np.allclose(load(folder, backend).encode(TEXTS, "document"), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_other_weights_are_another_graph(folder: Path, backend: Any, cache: Path, tmp_path: Path) -> None:
    other = write_transformer_model(tmp_path / "other", KNOWN, seed=1)
    for each in (folder, other):
        expected = SentenceEncoder.load(each, device="cpu").encode(TEXTS, "document")
        assert np.allclose(load(each, backend).encode(TEXTS, "document"), expected, atol=1e-5)
    assert len(list((cache / "exported").iterdir())) == 2


@pytest.mark.filterwarnings("ignore")
def test_a_precision_that_a_backend_lacks(folder: Path, backend: Any) -> None:
    with pytest.raises(ModelError, match=f"backend {backend}: computes in"):
        load(folder, backend, precision="fp16")


def test_what_is_not_installed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pyrite\[openvino\]'"):
        load(folder, "openvino")


def test_a_static_embedding_has_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="backend openvino: wants a text transformer with a fast tokenizer"):
        load(write_static_model(tmp_path / "static", KNOWN), "openvino")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_real_vectors(minilm: Path, backend: Any) -> None:
    texts = [*KNOWN[:6], "", "pyrite " * 400]
    expected = SentenceEncoder.load(minilm, device="cpu").encode(texts, "document")
    assert (load(minilm, backend).encode(texts, "document") * expected).sum(axis=1).min() > 0.99999
    if backend == "openvino":
        try:
            half = load(minilm, backend, precision="bf16").encode(texts, "document")
        except ModelError as error:
            if "this processor computes in" not in str(error):
                raise
            pytest.skip(f"needs a processor with bf16: {error}")
        assert (half * expected).sum(axis=1).min() > 0.999
