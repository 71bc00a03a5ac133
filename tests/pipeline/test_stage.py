from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import number_stages as ns
import pytest

from pyrite.errors import PlanError, StageError
from pyrite.pipeline.shards import map_shards, shard_ranges
from pyrite.pipeline.stage import Catalog, Context, Resources, stage
from pyrite.settings import Settings


class Empty(Settings):
    pass


@dataclass(frozen=True)
class Inputs:
    one: ns.Numbers
    either: ns.Numbers | ns.Total
    maybe: ns.Total | None
    many: Mapping[str, ns.Numbers | ns.Total]
    perhaps_many: Mapping[str, ns.Total] | None = None


@dataclass(frozen=True)
class Wrong:
    one: int


def test_a_stage_reads_its_inputs_and_outputs_from_annotations() -> None:
    @stage("sample", version=3)
    def sample(settings: Empty, inputs: Inputs, context: Context) -> ns.NumbersOutput:
        """First line.

        More.
        """
        return ns.NumbersOutput(ns.Numbers([1]))

    assert (sample.kind, sample.version, sample.settings, sample.description) == ("sample", 3, Empty, "First line.")
    assert {name: str(spec) for name, spec in sample.inputs.items()} == {
        "one": "numbers",
        "either": "numbers | total",
        "maybe": "total (optional)",
        "many": "numbers | total (many)",
        "perhaps_many": "total (many) (optional)",
    }
    assert sample.outputs == {"numbers": ns.Numbers}
    assert sample(Empty(), None, Context(Path())).numbers.values == [1]


def test_a_field_that_is_no_artifact_is_refused() -> None:
    def sample(settings: Empty, inputs: Wrong, context: Context) -> ns.NumbersOutput:
        """Do nothing."""

    with pytest.raises(TypeError, match=r"input 'one': <class 'int'> is no artifact class; wants `kind`"):
        stage("sample", version=1)(sample)


def test_settings_of_another_class_are_refused() -> None:
    def sample(settings: dict, inputs: ns.NoInputs, context: Context) -> ns.NumbersOutput:
        """Do nothing."""

    with pytest.raises(TypeError, match="'settings' is to be annotated with a class of Settings"):
        stage("sample", version=1)(sample)


@pytest.mark.parametrize(("kind", "version"), [("Sample", 1), ("a_b", 1), ("sample", 0)])
def test_bad_kinds_and_versions_are_refused(kind: str, version: int) -> None:
    with pytest.raises(TypeError, match="wants a kind of lower-case words"):
        stage(kind, version=version)(ns.count.function)


def test_other_parameters_are_refused() -> None:
    def sample(settings: Empty, inputs: ns.NoInputs) -> ns.NumbersOutput:
        """Do nothing."""

    with pytest.raises(TypeError, match="wants the parameters settings, inputs, context"):
        stage("sample", version=1)(sample)


def test_the_catalog_loads_on_access_and_knows_what_it_has() -> None:
    catalog = Catalog({"count": "number_stages:count", "gone": "no_such_module:gone"}, {"gone": "Is gone."})
    assert catalog["count"] is ns.count
    assert list(catalog) == ["count", "gone"]
    assert "gone" in catalog
    assert catalog.summary("gone") == "Is gone."
    with pytest.raises(PlanError, match="unknown stage 'cuont'; did you mean 'count'\\? Allowed: count, gone"):
        catalog["cuont"]


def test_the_catalog_refuses_a_place_that_holds_another_stage() -> None:
    with pytest.raises(TypeError, match="number_stages:change is not a stage of the kind 'count'"):
        Catalog({"count": "number_stages:change"})["count"]


def test_shards_that_are_there_are_not_made_again_and_layouts_do_not_mix(tmp_path: Path) -> None:
    made: list[range] = []

    def run_one(rows: range, path: Path) -> None:
        made.append(rows)
        path.write_text(str(list(rows)))

    first = map_shards(tmp_path, shard_ranges(5, 2), run_one, lambda name: None)
    assert [path.read_text() for path in first] == ["[0, 1]", "[2, 3]", "[4]"]
    map_shards(tmp_path, shard_ranges(5, 2), run_one, lambda name: None)
    assert made == [range(0, 2), range(2, 4), range(4, 5)]
    made.clear()
    second = map_shards(tmp_path, shard_ranges(5, 3), run_one, lambda name: None)
    assert made == [range(0, 3), range(3, 5)]
    assert set(first).isdisjoint(second)


def test_a_shard_that_was_not_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="the shard of rows 0 to 2 was not written at"):
        map_shards(tmp_path, [range(0, 2)], lambda rows, path: None, lambda name: None)


def test_leftovers_of_a_killed_shard_are_cleared(tmp_path: Path) -> None:
    left = tmp_path / "000000000-000000002.partial"
    left.mkdir()
    (left / "old").touch()

    def run_one(rows: range, path: Path) -> None:
        path.mkdir()
        (path / "new").touch()

    (shard,) = map_shards(tmp_path, [range(0, 2)], run_one, lambda name: None)
    assert [path.name for path in shard.iterdir()] == ["new"]
    assert not left.exists()


def test_resources_are_outside_the_key_and_checked() -> None:
    assert Resources() == Resources(device="auto", encode_batch_size=64, shard_size=4096)
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        Resources(shard_size=0)
