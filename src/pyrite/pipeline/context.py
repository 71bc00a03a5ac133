"""What a stage may use while it runs: a folder that survives a kill, resources, and a voice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from pyrite.pipeline.events import Event, Observer, ignore
from pyrite.pipeline.shards import map_shards
from pyrite.settings import Json, Settings

__all__ = ["Context", "Resources"]


class Resources(Settings):
    """With what a stage computes. Nothing here changes a result, so nothing here enters a key."""

    device: str = "auto"
    """Where models run: "auto", "cpu", "cuda" or "cuda:1". `rescore` takes several, parted by commas."""

    encode_batch_size: int = Field(64, ge=1)
    """How many texts are encoded at once."""

    shard_size: int = Field(4096, ge=1)
    """How many rows make one shard, the most that a kill can cost."""

    mini_batch_tokens: int | None = Field(None, ge=1)
    """Tokens that go through a transformer in training at once; a larger batch goes twice, in parts. None for all."""

    trackers: str = "tensorboard"
    """What a training sends its curves to, parted by commas: names of transformers' `report_to`, or "none"."""


@dataclass(frozen=True)
class Context:
    """What a running stage is given beside its settings and inputs.

    Attributes:
        workdir: A folder of this step's key alone. It survives a kill and is removed once the
            step is published.
        resources: Device, batch and shard sizes.
        step: The id of the step, for events.
        observe: Receives events.
        manifests: Returns the manifests of all that the inputs were made from, by step id, for reports that tell where
            a number came from. Times and machines in them follow from no key: a fingerprint leaves them out.
        common: The folder in which steps share files, or None outside a store.
        curves: This step's folder for what trackers write, which people alone read; None outside a store. `pyrite gc`
            deletes it along with the step.

    Example:
        >>> context = Context(Path("work"))
        >>> with context.progress("encode", total=2, unit="documents") as advance:
        ...     advance(2)
    """

    workdir: Path
    resources: Resources = field(default_factory=Resources)
    step: str = ""
    observe: Observer = ignore
    manifests: Callable[[], Mapping[str, Json]] = dict
    common: Path | None = None
    curves: Path | None = None

    @contextmanager
    def progress(self, description: str, total: int | None, unit: str) -> Iterator[Callable[..., None]]:
        """Show how work goes on.

        Args:
            description: What is being done, such as "encode the corpus".
            total: How much there is to do, or None where nobody knows.
            unit: What is counted, such as "documents".

        Yields:
            `advance(n=1)`, to be called as work is done.
        """
        done = 0

        def advance(n: int = 1) -> None:
            nonlocal done
            done += n
            self.observe(Event("progress", self.step, description, done, total, unit))

        advance(0)
        yield advance

    def shared(self, name: str) -> Path:
        """Return a folder that all steps of a store share, for files that save work and change no result.

        A file in it is named by its content, appears whole (by a rename or a hard link) and is never changed. Another
        process may put the same file there, and any of them may be gone at any time: what a step needs it links or
        copies into its own folder. `pyrite gc` deletes those that no artifact has a link to.
        """
        folder = (self.common or self.workdir / "shared") / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def map_shards(
        self,
        folder_name: str,
        ranges: Iterable[range],
        run_one: Callable[[range, Path], None],
        advance: Callable[[int], None] = lambda rows: None,
    ) -> list[Path]:
        """Make each shard that a former, killed try did not finish.

        Args:
            folder_name: The folder inside `workdir`.
            ranges: The rows of each shard, as `shard_ranges(total, size)` gives them.
            run_one: Gets the rows and a path at which nothing exists, and writes a file or a
                folder at exactly that path.
            advance: Gets the number of rows of each shard, made or found: what `progress` yields.

        Returns:
            The path of each shard, in the order of the ranges.

        Raises:
            StageError: `run_one` returned without writing at its path.
        """
        return map_shards(
            self.workdir / folder_name,
            ranges,
            run_one,
            lambda name: self.observe(Event("shard-finished", self.step, name)),
            advance,
        )

    def checkpoint(self) -> None:
        """Say that a training checkpoint is in place."""
        self.observe(Event("checkpoint", self.step))
