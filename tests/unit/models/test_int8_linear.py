"""Linear layers in 8 bits: what they may be off by, and who may have them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pyrite.errors import ModelError
from pyrite.models import int8_kernels, int8_linear
from pyrite.models.int8_linear import quantise_linear_layers
from pyrite.models.sentence_encoder import SentenceEncoder
from pyrite.testing.models import write_static_model, write_transformer_model
from pyrite.testing.tiny import tiny_collection

KNOWN = tiny_collection().corpus.texts()
HALF = 2.0**-8


@pytest.fixture(autouse=True)
def capable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in 8 bits are right on any processor by torch; only their speed wants instructions."""
    monkeypatch.setattr(int8_linear, "multiplies_in", lambda _: True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_transformer_model(tmp_path_factory.mktemp("transformer") / "model", KNOWN)


def halves(values: np.ndarray) -> np.ndarray:
    """Round to bfloat16, as its bits."""
    bits: np.ndarray = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()
    return bits


def widened(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def int8_layer(linear: nn.Linear) -> Any:
    holder = nn.Sequential(linear)
    assert quantise_linear_layers(holder) == 1
    return holder


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 70), st.floats(-20, 20))
@settings(max_examples=40, deadline=None)
def test_a_row_is_off_by_half_a_step_at_most(seed: int, rows: int, width: int, power: float) -> None:
    values = halves((np.random.default_rng(seed).standard_normal((rows, width)) * 2.0**power).astype(np.float32))
    steps, scales = np.empty(values.shape, np.int8), np.empty(rows, np.float32)
    int8_kernels.quantise_rows(values, steps, scales)
    exact = widened(values)
    assert np.array_equal(np.abs(steps).max(axis=1), np.full(rows, 127))
    assert np.allclose(scales * 127, np.abs(exact).max(axis=1), rtol=1e-6)
    assert (np.abs(exact - steps * scales[:, None]) <= scales[:, None] * 0.5001).all()


def test_rows_without_a_scale() -> None:
    values = halves(np.array([[0, 0], [1, np.inf], [np.nan, 1]], np.float32))
    steps, scales = np.empty(values.shape, np.int8), np.empty(3, np.float32)
    int8_kernels.quantise_rows(values, steps, scales)
    assert steps[0].tolist() == [0, 0]
    assert scales[0] == 0
    assert not np.isfinite(scales[1:]).any()


@pytest.mark.parametrize("bias", [True, False])
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 40), outlier=st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_layer_is_off_by_its_two_roundings_at_most(bias: bool, seed: int, rows: int, outlier: bool) -> None:
    torch.manual_seed(seed)
    linear = nn.Linear(64, 48, bias=bias)
    values = torch.randn(rows, 64).bfloat16()
    if outlier:
        values[0] *= 1000
    with torch.inference_mode():
        expected = linear(values.float()).double()
        found = int8_layer(linear)(values).double()
        exact, weight = values.double(), linear.weight.double()
        # A half step of each factor, each times all of the other, and both at once; then bfloat16.
        value_step = exact.abs().amax(1, keepdim=True) / 254
        weight_step = weight.abs().amax(1) / 254
        off = value_step * weight.abs().sum(1) + exact.abs().sum(1, keepdim=True) * weight_step
        off = off + 64 * value_step * weight_step
        assert ((found - expected).abs() <= off * 1.001 + (expected.abs() + off) * HALF + 1e-6).all()


def test_a_token_depends_on_no_other() -> None:
    torch.manual_seed(3)
    layer = int8_layer(nn.Linear(32, 16))
    values = torch.randn(4, 25, 32).bfloat16()
    with torch.inference_mode():
        together = layer(values)
        assert together.shape == (4, 25, 16)
        assert torch.equal(layer(values[2, 7:8]), together[2, 7:8])
        assert torch.equal(layer(values.transpose(0, 1)), together.transpose(0, 1))
        assert torch.equal(layer(values.float()), together.float())


def test_gelu_is_the_exact_one() -> None:
    x = np.linspace(-12, 12, 4801, dtype=np.float32)
    out = np.empty((1, len(x)), np.uint16)
    ones = np.ones(len(x), np.float32)
    int8_kernels.scale_products_gelu(np.zeros((1, len(x)), np.int32), ones[:1], ones, x, out)
    expected = np.array([value * (1 + math.erf(value / math.sqrt(2))) / 2 for value in x.tolist()])
    assert (np.abs(widened(out)[0] - expected) <= 2e-5 + np.abs(expected) * HALF).all()


def test_an_encoder_in_8_bits(folder: Path) -> None:
    single = SentenceEncoder.load(folder, device="cpu")
    encoder = SentenceEncoder.load(folder, precision="int8")
    vectors = encoder.encode(KNOWN, "document")
    assert (vectors * single.encode(KNOWN, "document")).sum(axis=1).min() > 0.99
    alone = np.concatenate([encoder.encode([text], "document") for text in KNOWN])
    assert (vectors * alone).sum(axis=1).min() > 0.9999
    assert encoder.identity() == {**single.identity(), "precision": "int8"}  # type: ignore[dict-item]


def test_batches_side_by_side_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyrite.models import transformer_loop

    encoder = SentenceEncoder.load(folder, precision="int8", batch_size=1)
    monkeypatch.setattr(transformer_loop, "_CPU_TOKENS", 8)
    together = encoder.encode(KNOWN, "document")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert np.array_equal(encoder.encode(KNOWN, "document"), together)


def test_other_backends_do_not_compute_in_8_bits(folder: Path) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra onnx: pip install 'pyrite[onnx]'")
    with pytest.raises(ModelError, match="backend onnx: computes in fp32"):
        SentenceEncoder.load(folder, precision="int8", backend="onnx")


def test_8_bits_are_for_a_cpu() -> None:
    with pytest.raises(ModelError, match="precision int8: computes on a CPU alone"):
        quantise_linear_layers(nn.Sequential(nn.Linear(2, 2, device="meta")))


def test_a_static_model_has_nothing_to_multiply(tmp_path: Path) -> None:
    static = write_static_model(tmp_path / "static", KNOWN)
    with pytest.raises(ModelError, match="precision int8: the model has no linear layer"):
        SentenceEncoder.load(static, precision="int8")


def test_a_processor_without_the_instructions(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(int8_linear, "multiplies_in", lambda _: False)
    with pytest.raises(ModelError, match="precision int8: wants a processor with AVX-VNNI"):
        SentenceEncoder.load(folder, precision="int8")


def test_real_vectors_stay_close(minilm: Path) -> None:
    texts = [*KNOWN[:6], "", "pyrite " * 400]
    expected = SentenceEncoder.load(minilm, device="cpu").encode(texts, "document")
    vectors = SentenceEncoder.load(minilm, precision="int8").encode(texts, "document")
    cosines = (vectors * expected).sum(axis=1)
    assert np.delete(cosines, texts.index("")).min() > 0.995
    # Without words there are but the two tokens at the ends, which hold the largest values.
    assert cosines.min() > 0.97
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
