"""Products of int8 by the processor's own instruction, beside numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core.registry import cpu_target

from pyrite.search.dense import panel_kernels, rounding_kernels, threshold

pytestmark = pytest.mark.skipif(not panel_kernels.offered(), reason="the processor has no AVX512-VNNI, or AMX as well")


@given(
    seed=st.integers(0, 2**32 - 1),
    dimension=st.integers(1, 40),
    documents=st.integers(1, 100),
    queries=st.integers(1, 30),
    cut=st.integers(0, 100),
)
@settings(deadline=None, max_examples=50)
def test_products_are_those_of_integers(seed: int, dimension: int, documents: int, queries: int, cut: int) -> None:
    generator = np.random.default_rng(seed)
    steps = generator.integers(-127, 128, (queries, dimension), dtype=np.int8)
    vectors = generator.standard_normal((documents, dimension), dtype=np.float32)
    panels = panel_kernels.empty_panels(steps, documents)
    plain, laid_out = (threshold._empty_block(documents, dimension, np.int8) for _ in range(2))
    centre = generator.standard_normal(dimension, dtype=np.float32).astype(np.float64)
    rounding_kernels.quantise_rows(vectors, centre, plain, 0, (0, documents))
    cut = min(cut, documents)
    # In two calls, as from two shards, and the second by two threads.
    panel_kernels.quantise_panels(panels, vectors[:cut], centre, laid_out, 0, (0, cut))
    rest, middle = vectors[cut:], (documents - cut) // 2
    panel_kernels.quantise_panels(panels, rest, centre, laid_out, cut, (middle, documents - cut))
    panel_kernels.quantise_panels(panels, rest, centre, laid_out, cut, (0, middle))
    for one, other in zip(plain, laid_out, strict=True):
        np.testing.assert_array_equal(one, other)
    tile = panel_kernels.QUERY_TILE
    products = np.empty((tile, -(-documents // panel_kernels.PANEL) * panel_kernels.PANEL), np.int32)
    wanted = steps.astype(np.int32) @ plain.rows.astype(np.int32).T
    for start in range(0, queries, tile):
        panel_kernels.multiply_panels(panels, start // tile, documents, products)
        np.testing.assert_array_equal(products[: queries - start, :documents], wanted[start : start + tile])


def test_the_largest_steps_do_not_overflow() -> None:
    extremes = np.full((1, 1024), -127, np.int8)
    panels = panel_kernels.empty_panels(extremes, 1)
    block = threshold._empty_block(1, 1024, np.int8)
    panel_kernels.quantise_panels(panels, np.ones((1, 1024), np.float32), np.zeros(1024), block, 0, (0, 1))
    products = np.empty((panel_kernels.QUERY_TILE, panel_kernels.PANEL), np.int32)
    panel_kernels.multiply_panels(panels, 0, 1, products)
    assert products[0, 0] == -127 * 127 * 1024


def test_without_the_instruction_torch_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    class Codegen:
        features = "+avx2"

        def magic_tuple(self) -> tuple[str, str, str]:
            return ("", "", self.features)

    monkeypatch.setattr(cpu_target.target_context, "codegen", Codegen)
    assert not panel_kernels.offered()
    Codegen.features = "+avx2,+avx512vnni,-amx-int8"
    assert panel_kernels.offered()
    Codegen.features = "+avx2,+avx512vnni,+amx-int8"
    assert not panel_kernels.offered()
