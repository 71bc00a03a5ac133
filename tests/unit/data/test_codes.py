from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pyrite.data.codes import encode, row_codes

IDS = st.text(alphabet="ab\u00e4 ", max_size=2)


@given(st.lists(st.tuples(IDS, IDS), min_size=1, max_size=20), st.integers(0, 5))
def test_equal_rows_have_equal_codes_and_others_not(rows: list[tuple[str, str]], cut: int) -> None:
    columns = [
        encode(pa.chunked_array([part[:cut], part[cut:]], pa.string())) for part in map(list, zip(*rows, strict=True))
    ]
    codes = row_codes([(code, len(values)) for code, values in columns]).tolist()
    for row, code in zip(rows, codes, strict=True):
        assert [code == other for other in codes] == [row == other for other in rows]


def test_many_combinations_do_not_overflow() -> None:
    codes = np.array([0, 1, 2**31, 2**31])
    joint = row_codes([(codes, 2**32), (codes, 2**32), (codes[::-1].copy(), 2**32)])
    assert len(set(joint.tolist())) == 4
