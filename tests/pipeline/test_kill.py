from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def kill_everywhere(mode: str, folder: Path, stride: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the report of a run that nobody killed, and of each that was killed and run again."""
    done = subprocess.run(
        [sys.executable, str(HERE / "kill_run.py"), mode, str(folder), str(stride)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    whole, *killed = (json.loads(line) for line in done.stdout.splitlines())
    return whole, killed


def check(whole: dict[str, Any], killed: list[dict[str, Any]]) -> None:
    assert len(whole["fingerprints"]) == 5
    for one in killed:
        assert one["killed"], one["n"]
        assert one["fingerprints"] == whole["fingerprints"], one["n"]
        assert one["summary"] == whole["summary"], one["n"]
        assert [line for line in one["again"] if line in one["finished"]] == [], one["n"]
        assert one["left"] == [], one["n"]


def test_killed_at_every_event_and_run_again(tmp_path: Path) -> None:
    whole, killed = kill_everywhere("events", tmp_path, 1)
    check(whole, killed)
    # 5 steps: started, one output, manifest, published; 3 shards, 2 progress, 2 x 2 checkpoints.
    assert len(killed) == 5 * 4 + 3 + 2 + 4


def test_killed_between_file_operations_and_run_again(tmp_path: Path) -> None:
    whole, killed = kill_everywhere("files", tmp_path, 20)
    check(whole, killed)
    assert len(killed) > 8


@pytest.mark.slow
def test_killed_before_each_file_operation_and_run_again(tmp_path: Path) -> None:
    check(*kill_everywhere("files", tmp_path, 1))
