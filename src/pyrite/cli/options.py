"""Options that commands share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from pyrite.pipeline.context import Resources
from pyrite.pipeline.runs import Runs
from pyrite.pipeline.store import Store
from pyrite.settings import parse_settings

__all__ = [
    "Answers",
    "Files",
    "Inputs",
    "Options",
    "Qrels",
    "ResourceOptions",
    "RunFiles",
    "Sets",
    "Steps",
    "Switch",
    "TextFiles",
]

_TEXTS = Group("What the file does not say", sort_key=70)
_COMMON = Group("Common options", sort_key=80)
_RESOURCES = Group("Resources (they change no result)", sort_key=90)

_Many = Parameter(negative="", consume_multiple=False, show_default=False)

Switch = Annotated[bool, Parameter(negative="", show_default=False)]
"""An option without a value."""

Inputs = Annotated[tuple[str, ...], Parameter(name="--input"), _Many]
"""NAME=REF, any number of times."""

RunFiles = Annotated[tuple[str, ...], Parameter(name="--run"), _Many]
"""FILE or NAME=FILE, any number of times."""

Sets = Annotated[tuple[str, ...], Parameter(name="--set"), _Many]
"""PATH=VALUE, any number of times."""

Steps = Annotated[tuple[str, ...], Parameter(name="--step"), _Many]
"""Ids of steps, any number of times."""

Qrels = Annotated[tuple[str, ...], _Many]
"""SPLIT=FILE, any number of times."""

Files = Annotated[tuple[Path, ...], _Many]
"""Paths, any number of times."""


@Parameter(name="*", group=_COMMON)
@dataclass(frozen=True)
class Answers:
    """How to answer, for commands that have nothing to do with the store."""

    json: Switch = False
    """Answer with JSON on standard output, and nothing else there."""

    quiet: Switch = False
    """Show no progress."""


@Parameter(name="*", group=_TEXTS)
@dataclass(frozen=True)
class TextFiles:
    """What a training file does not say itself."""

    corpus: Path | None = None
    """What ids of documents stand for: JSONL, Parquet, TSV, or a folder of BEIR or NeMo. By default NAME.corpus.jsonl
    beside the file, where it is there."""

    queries: Path | None = None
    """What ids of queries stand for; by default NAME.queries.jsonl beside the file."""

    positives: str | None = None
    """Where a file of PyLate does not say it: "first", or a file of judgements (BEIR's TSV or TREC)."""


@Parameter(name="*", group=_COMMON)
@dataclass(frozen=True)
class Options:
    """Where things lie, and how to answer."""

    store: Annotated[Path, Parameter(env_var="PYRITE_STORE")] = Path(".pyrite/store")
    """The folder of results, one for each step and key."""

    runs: Path = Path("runs")
    """The folder of runs; `latest` in it points at the last one that finished."""

    json: Switch = False
    """Answer with JSON on standard output, and nothing else there."""

    quiet: Switch = False
    """Show no progress."""

    def open_store(self) -> Store:
        """Return the store."""
        return Store(self.store)

    def open_runs(self) -> Runs:
        """Return the folder of runs."""
        return Runs(self.runs)


@Parameter(name="*", group=_RESOURCES)
@dataclass(frozen=True)
class ResourceOptions:
    """With what to compute; what is not given is taken from the pipeline file."""

    device: str | None = None
    """Where models run: auto, cpu, cuda or cuda:1."""

    encode_batch_size: int | None = None
    """How many texts are encoded at once."""

    shard_size: int | None = None
    """How many rows make one shard, the most that a kill can cost."""

    mini_batch_tokens: int | None = None
    """Tokens that go through a transformer in training at once; a larger batch goes twice, in parts."""

    trackers: str | None = None
    """What a training sends its curves to, parted by commas: tensorboard, wandb, mlflow and others, or none."""

    def over(self, resources: Resources) -> Resources:
        """Return resources with what was given here put in their place.

        Raises:
            SettingsError: A value is out of range.
        """
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return parse_settings(Resources, resources.model_dump() | given, "options")
