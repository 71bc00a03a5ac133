"""Stages that add numbers: everything the engine does, and nothing about retrieval.

Each piece of work appends a line to the file that NUMBERS_LOG names, so that a test can count what ran.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from pyrite.errors import DataError
from pyrite.pipeline.shards import shard_ranges
from pyrite.pipeline.stage import Catalog, Context, stage
from pyrite.settings import Settings


def note(line: str) -> None:
    """Count a piece of work."""
    if path := os.environ.get("NUMBERS_LOG"):
        with Path(path).open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")


class Numbers:
    """A list of numbers in a text file."""

    kind: ClassVar[str] = "numbers"

    def __init__(self, values: list[int]) -> None:
        self.values = values

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "numbers.json").read_text()))

    def save(self, folder: Path) -> None:
        (folder / "numbers.json").write_text(json.dumps(self.values))

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.values).encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        return {"rows": len(self.values)}


class Total(Numbers):
    """One number."""

    kind: ClassVar[str] = "total"


class Page:
    """A report."""

    kind: ClassVar[str] = "page"

    def __init__(self, summary: dict[str, Any]) -> None:
        self.content = summary

    @classmethod
    def open(cls, folder: Path) -> Self:
        return cls(json.loads((folder / "summary.json").read_text()))

    def save(self, folder: Path) -> None:
        (folder / "summary.json").write_text(json.dumps(self.content))
        (folder / "report.html").write_text("<p>numbers</p>")

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.content).encode()).hexdigest()

    def summary(self) -> dict[str, Any]:
        return {}


class CountSettings(Settings):
    """How far to count."""

    last: int = Field(6, ge=1)
    """The last number."""

    source: str = ""
    """A word without meaning."""


class Plus(Settings):
    """Adds a number."""

    type: Literal["plus"] = "plus"

    by: int = 1
    """What to add."""


class Times(Settings):
    """Multiplies by a number."""

    type: Literal["times"] = "times"

    by: int = 2
    """What to multiply by."""


class ChangeSettings(Settings):
    """What to do to each number."""

    rules: tuple[Annotated[Plus | Times, Field(discriminator="type")], ...] = (Plus(),)
    """Applied one after the other."""

    fail: bool = False
    """Whether to fail on purpose."""


class TotalSettings(Settings):
    """Nothing to set."""


@dataclass(frozen=True)
class NoInputs:
    pass


@dataclass(frozen=True)
class NumbersInput:
    numbers: Numbers


@dataclass(frozen=True)
class ManyInputs:
    parts: Mapping[str, Numbers | Total]
    base: Total | None = None


@dataclass(frozen=True)
class NumbersOutput:
    numbers: Numbers


@dataclass(frozen=True)
class TotalOutput:
    total: Total


@dataclass(frozen=True)
class PageOutput:
    page: Page


@stage("count", version=1)
def count(settings: CountSettings, inputs: NoInputs, context: Context) -> NumbersOutput:
    """Count from 1 up, in shards."""
    note(f"{context.step} started")

    def run_one(rows: range, path: Path) -> None:
        note(f"{context.step} shard {rows.start}")
        path.write_text(json.dumps([row + 1 for row in rows]))

    with context.progress("count", total=settings.last, unit="numbers") as advance:
        paths = context.map_shards("shards", shard_ranges(settings.last, context.resources.shard_size), run_one)
        advance(settings.last)
    return NumbersOutput(Numbers([value for path in paths for value in json.loads(path.read_text())]))


@stage("change", version=2)
def change(settings: ChangeSettings, inputs: NumbersInput, context: Context) -> NumbersOutput:
    """Change each number, a checkpoint after each rule."""
    note(f"{context.step} started")
    if settings.fail:
        raise DataError("failed on purpose")
    values = inputs.numbers.values
    for index, rule in enumerate(settings.rules):
        saved = context.workdir / f"rule-{index}.json"
        if not saved.exists():
            note(f"{context.step} rule {index}")
            values = [value + rule.by if isinstance(rule, Plus) else value * rule.by for value in values]
            partial = saved.with_suffix(".partial")
            partial.write_text(json.dumps(values))
            partial.rename(saved)
            context.checkpoint()
        values = json.loads(saved.read_text())
    return NumbersOutput(Numbers(values))


@stage("total", version=1)
def total(settings: TotalSettings, inputs: ManyInputs, context: Context) -> TotalOutput:
    """Add everything up."""
    note(f"{context.step} started {','.join(inputs.parts)}")
    base = inputs.base.values[0] if inputs.base else 0
    return TotalOutput(Total([base + sum(sum(part.values) for part in inputs.parts.values())]))


@stage("page", version=1)
def page(settings: TotalSettings, inputs: ManyInputs, context: Context) -> PageOutput:
    """Write a report."""
    note(f"{context.step} started")
    metrics = {name: {"sum": sum(part.values)} for name, part in inputs.parts.items()}
    made_from = {name: manifest["inputs"] for name, manifest in context.manifests().items()}
    return PageOutput(Page({"dataset": "numbers", "metrics": metrics, "comparisons": [], "made_from": made_from}))


@stage("broken", version=1)
def broken(settings: TotalSettings, inputs: NoInputs, context: Context) -> NumbersOutput:
    """Fail as no stage should."""
    raise ZeroDivisionError("a bug")


PLACES = {kind: f"number_stages:{kind}" for kind in ("count", "change", "total", "page", "broken")}
CATALOG = Catalog(PLACES)

PIPELINE = """\
name: numbers
resources: {shard_size: 2}
publish: [page.page]
steps:
  data:
    stage: count
    settings: {last: 6}
  "change-{by}":
    matrix: {by: [1, 2]}
    stage: change
    inputs: {numbers: data.numbers}
    settings: {rules: [{type: plus, by: "{by}"}, {type: times}]}
  sum:
    stage: total
    inputs: {parts: ["change-*.numbers"]}
  page:
    stage: page
    inputs: {parts: {all: sum.total, first: change-1.numbers}}
"""
