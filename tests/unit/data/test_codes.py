from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data.codes import coded, decoded, encode, positions, row_codes

IDS = st.text(alphabet="ab\u00e4 ", max_size=2)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20), st.integers(0, 5))
def test_equal_rows_have_equal_codes_and_others_not(rows: list[tuple[str, str]], cut: int) -> None:
    columns = [
        encode(pa.chunked_array([part[:cut], part[cut:]], pa.string())) for part in map(list, zip(*rows, strict=True))
    ]
    codes = row_codes([(code, len(values)) for code, values in columns]).tolist()
    for row, code in zip(rows, codes, strict=True):
        assert [code == other for other in codes] == [row == other for other in rows]


@given(st.lists(IDS, max_size=30), st.lists(IDS, max_size=30), st.integers(0, 5))
def test_positions_are_those_of_the_first_equal_values(values: list[str], among: list[str], cut: int) -> None:
    """Few among many are looked up the other way round."""
    wanted = [among.index(value) if value in among else -1 for value in values]
    whole, parts = pa.array(among, pa.string()), pa.chunked_array([among[:cut], among[cut:]], pa.string())
    for others in (whole, parts):
        assert positions(pa.array(values, pa.string()), others).tolist() == wanted
        assert positions(pa.chunked_array([values], pa.string()), others).tolist() == wanted


def test_codes_stand_for_values() -> None:
    values, codes = pa.array(["b", "a", None]), np.array([1, 0, 2, 1], dtype=np.int16)
    assert coded(values, codes).to_pylist() == decoded(values, codes).to_pylist() == ["a", "b", None, "a"]


def test_many_combinations_do_not_overflow() -> None:
    codes = np.array([0, 1, 2**31, 2**31])
    joint = row_codes([(codes, 2**32), (codes, 2**32), (codes[::-1].copy(), 2**32)])
    assert len(set(joint.tolist())) == 4
