from __future__ import annotations

import pytest

from pyrite.stages import CATALOG


@pytest.mark.parametrize("kind", CATALOG)
def test_a_summary_is_what_the_stage_says_of_itself(kind: str) -> None:
    assert CATALOG.summary(kind) == CATALOG[kind].description
