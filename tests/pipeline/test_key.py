from __future__ import annotations

import number_stages as ns

from pyrite.pipeline.key import flat_sources, format_sources, parse_sources, step_key
from pyrite.pipeline.references import StoredOutput

ONE = StoredOutput("count", "aa", "numbers")
TWO = StoredOutput("count", "bb", "numbers")


def test_golden_key() -> None:
    settings = ns.ChangeSettings(rules=[ns.Plus(by=3), ns.Times()])
    key = step_key("change", 2, settings.identity(), {"numbers": ONE, "parts": {"x": ONE, "y": TWO}})
    # A changed value here means that every result in every store is done again: bump it only on purpose.
    assert key == "e1384e2956e27012b527bdef85ea0ececda73e43a9a61ca7c5a8ac963770934c"


def test_everything_that_changes_a_result_changes_the_key() -> None:
    key = step_key("change", 1, {"a": 1}, {"parts": {"x": ONE, "y": TWO}})
    others = [
        step_key("total", 1, {"a": 1}, {"parts": {"x": ONE, "y": TWO}}),
        step_key("change", 2, {"a": 1}, {"parts": {"x": ONE, "y": TWO}}),
        step_key("change", 1, {"a": 2}, {"parts": {"x": ONE, "y": TWO}}),
        step_key("change", 1, {"a": 1}, {"parts": {"x": TWO, "y": ONE}}),
        step_key("change", 1, {"a": 1}, {"parts": ONE}),
        step_key("change", 1, {"a": 1}, {}),
    ]
    assert len({key, *others}) == 7


def test_two_members_of_a_union_with_equal_fields_have_two_keys() -> None:
    plus, times = (ns.ChangeSettings(rules=[rule]).identity() for rule in (ns.Plus(by=2), ns.Times(by=2)))
    assert step_key("change", 1, plus, {}) != step_key("change", 1, times, {})


def test_the_order_of_inputs_does_not_matter() -> None:
    assert step_key("a", 1, {}, {"x": ONE, "y": TWO}) == step_key("a", 1, {}, {"y": TWO, "x": ONE})


def test_sources_survive_writing_and_reading() -> None:
    sources = {"one": ONE, "many": {"x": ONE, "y": TWO}}
    assert format_sources(sources)["many"] == {"x": "count/aa.numbers", "y": "count/bb.numbers"}
    assert parse_sources(format_sources(sources)) == sources
    assert flat_sources(sources) == {"one": ONE, "many.x": ONE, "many.y": TWO}
