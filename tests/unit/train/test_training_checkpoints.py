from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from pyrite.errors import ModelError
from pyrite.train.checkpoint import Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "this training")


def write(checkpoints: Checkpoints, step: int) -> Path:
    with checkpoints.writing(step) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text(f"weights {step}")
        (folder / "optimizer").write_text(f"optimizer {step}")
    return checkpoints.path(step)


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(entry.name for entry in checkpoints.folder.iterdir())


def test_there_is_none_at_first(checkpoints: Checkpoints) -> None:
    assert checkpoints.newest() is None


def test_the_newest_by_number_is_found(checkpoints: Checkpoints) -> None:
    for step in (9, 10, 2):
        write(checkpoints, step)
    assert checkpoints.newest() == checkpoints.path(10)
    assert (checkpoints.path(10) / "optimizer").read_text() == "optimizer 10"


def test_an_interrupted_one_is_skipped_and_cleared(checkpoints: Checkpoints) -> None:
    write(checkpoints, 1)
    with suppress(KeyboardInterrupt), checkpoints.writing(2) as folder:
        (folder / "weights").write_text("half")
        raise KeyboardInterrupt
    assert names(checkpoints) == ["step-1", "step-2.partial"]
    assert checkpoints.newest() == checkpoints.path(1)
    assert names(checkpoints) == ["step-1"]


@pytest.mark.parametrize(
    "damage", ["truncated", "lost", "no manifest", "bad manifest", "a list for a manifest", "lists for files"]
)
def test_a_damaged_one_is_skipped_and_cleared(checkpoints: Checkpoints, damage: str) -> None:
    write(checkpoints, 1)
    folder = write(checkpoints, 2)
    if damage == "truncated":
        (folder / "inner" / "weights").write_text("weig")
    elif damage == "lost":
        (folder / "optimizer").unlink()
    elif damage == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        contents = {"bad manifest": '{"files": ', "a list for a manifest": "[1]", "lists for files": '{"files": []}'}
        (folder / "manifest.json").write_text(contents[damage])
    assert checkpoints.newest() == checkpoints.path(1)
    assert names(checkpoints) == ["step-1"]


def test_checkpoints_of_another_training_are_left_alone(checkpoints: Checkpoints) -> None:
    write(checkpoints, 1)
    with pytest.raises(ModelError, match="checkpoints of another training"):
        Checkpoints(checkpoints.folder, "another").newest()
    assert names(checkpoints) == ["step-1"]


@pytest.mark.parametrize(("best", "left"), [(0, [3, 4]), (1, [1, 3, 4]), (4, [3, 4])])
def test_pruning_keeps_the_newest_and_the_best(checkpoints: Checkpoints, best: int, left: list[int]) -> None:
    for step in range(1, 5):
        write(checkpoints, step)
    checkpoints.prune(best)
    assert names(checkpoints) == [f"step-{step}" for step in left]
