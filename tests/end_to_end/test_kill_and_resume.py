"""The small pipeline, killed by the operating system and run again: nothing lost, changed or done twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import small

# Three embeddings of 4, one block of queries to mine for, the 122 pairs that each `rescore` and `cet` scored, but fewer
# by BM25, which knew some, then the 23 of the training set, twice: for its teacher, and for the judge of `score`; and
# the 40 that `rerank` did, 8 in a shard.
SHARDS = 4 * 3 + 1 + 16 * 3 + 15 + 3 * 2 + 5
# 7 pairs of training queries and their positives, 3 in a batch: 3 steps an epoch, 2 epochs.
TRAINING_STEPS, CHECKPOINTS = 6, (3, 6)
TRAINED = ("model-in-batch", "model-hybrid", "train-cross", "cet")


def killed_runs(mode: str, folder: Path, number: int = 1) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what happened in a run that nobody killed, and in those that were; see kill_small.py."""
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(Path(small.__file__).with_name("kill_small.py")), mode, str(folder), str(number)],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
        env={**os.environ, **one_thread, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    whole, *killed = (json.loads(line) for line in done.stdout.splitlines())
    return whole, killed


def check(whole: dict[str, Any], killed: dict[str, Any]) -> None:
    """Compare runs that were killed with the one that was not."""
    assert killed["fingerprints"] == whole["fingerprints"]
    assert killed["metrics"] == whole["metrics"]
    assert (killed["damaged"], killed["left"]) == ([], [])
    done = Counter(line for line in killed["events"] if line.startswith(("shard-finished", "published")))
    assert [line for line, times in done.items() if times > 1] == []
    for step in TRAINED:
        check_training(step, killed["events"])


def check_training(step: str, events: list[str]) -> None:
    """Check that no try did a step of a training again that a checkpoint before it held."""
    saved = 0
    for try_events in tries(events):
        steps = [int(line.rsplit(" ", 1)[1]) for line in try_events if line.startswith(f"progress {step} train")]
        if steps:
            assert steps == list(range(steps[0], steps[-1] + 1))
            assert steps[0] - 1 in (0, *CHECKPOINTS)
            assert steps[0] - 1 >= saved
        # A step tells of itself once the checkpoint that was due after it is in place.
        saved = max([saved, *(number for number in steps if number in CHECKPOINTS)])


def tries(events: list[str]) -> list[list[str]]:
    found: list[list[str]] = []
    for line in events:
        if line == "try":
            found.append([])
        else:
            found[-1].append(line)
    return found


def of_kind(lines: list[str], kind: str) -> int:
    return sum(line.startswith(f"{kind} ") for line in lines)


def test_killed_at_every_event_one_after_the_other(tmp_path: Path) -> None:
    whole, (killed,) = killed_runs("events", tmp_path)
    check(whole, killed)
    events, kills = whole["events"], killed["kills"]
    assert len(whole["fingerprints"]) > small.STEPS
    assert whole["fingerprints"]["model-in-batch.model"] != whole["fingerprints"]["model-untrained.model"]
    assert whole["fingerprints"]["model-hybrid.model"] != whole["fingerprints"]["model-untrained.model"]
    # The checkpoint's own event comes right after that of its step: a try that was killed there does not get to it.
    assert sorted(kills) == sorted(line for line in set(events) - {"try"} if not line.startswith("checkpoint "))
    assert len(tries(killed["events"])) == len(kills) + 1
    assert [of_kind(kills, kind) for kind in ("step-started", "published", "shard-finished")] == [
        small.STEPS,
        small.STEPS,
        SHARDS,
    ]
    assert of_kind(kills, "progress model-in-batch") == of_kind(kills, "progress model-hybrid") == TRAINING_STEPS


def test_killed_before_file_operations_and_throughout_the_saving_of_checkpoints(tmp_path: Path) -> None:
    whole, (killed,) = killed_runs("files", tmp_path, 24)
    check(whole, killed)
    saving = [line for line in killed["kills"] if "/checkpoints/step-" in line]
    for step in CHECKPOINTS:
        operations = {line.split(" ")[0] for line in saving if f"step-{step}.partial" in line}
        assert operations >= {"os.mkdir", "open", "fsync", "os.rename"}
    assert len(killed["kills"]) > 2 * len(TRAINED) * len(CHECKPOINTS) * 8


@pytest.mark.slow
def test_killed_before_every_file_operation(tmp_path: Path) -> None:
    whole, (killed,) = killed_runs("files", tmp_path)
    check(whole, killed)
    assert len(killed["kills"]) > 800


@pytest.mark.slow
def test_killed_at_each_event_alone(tmp_path: Path) -> None:
    whole, killed = killed_runs("each-event", tmp_path)
    assert len(killed) == len(whole["events"]) - 1
    for one in killed:
        assert len(one["kills"]) == 1
        check(whole, one)
