"""Kill a run at every point, run again, and write what happened as JSON lines; started by test_kill.py.

Arguments: how to choose points ("events" or "files"), a folder to work in, every how many points to kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import number_stages as ns

from pyrite.pipeline.definition import Pipeline, read_pipeline
from pyrite.pipeline.events import Event
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.runner import Runner
from pyrite.pipeline.runs import Runs
from pyrite.pipeline.store import Store

_FILE_EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"}


class Trigger:
    """Kills the process at the n-th point; counts the points for n = 0."""

    def __init__(self, n: int) -> None:
        self.n, self.seen = n, 0

    def hit(self) -> None:
        self.seen += 1
        if self.seen == self.n:
            os.kill(os.getpid(), signal.SIGKILL)

    def event(self, event: Event) -> None:
        self.hit()

    def audit(self, name: str, arguments: tuple[object, ...]) -> None:
        if name in _FILE_EVENTS and self.n >= 0:
            self.hit()


def main(mode: str, folder: Path, stride: int) -> None:
    file = folder / "numbers.yaml"
    file.write_text(ns.PIPELINE)
    pipeline = read_pipeline(file, ns.CATALOG)
    once(pipeline, folder / "whole", mode, 0)
    report(0, folder / "whole", [])
    # Counted only now: reading the first report imported what the processes to come need not import again.
    once(pipeline, folder / "counted", mode, 0)
    points = int((folder / "counted" / "points").read_text())
    for n in range(1, points + 1, stride):
        place = folder / f"killed-{n}"
        code = once(pipeline, place, mode, n)
        finished = finished_work(place)
        once(pipeline, place, "none", -1)
        report(n, place, finished, killed=os.WTERMSIG(code) == signal.SIGKILL)


def once(pipeline: Pipeline, place: Path, mode: str, n: int) -> int:
    """Run the pipeline in a process of its own; return its wait status."""
    return fork(lambda: run(pipeline, place, mode, n))


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def run(pipeline: Pipeline, place: Path, mode: str, n: int) -> None:
    place.mkdir(exist_ok=True)
    os.environ["NUMBERS_LOG"] = str(place / ("log" if n >= 0 else "log-again"))
    trigger = Trigger(n)
    store = Store(place / "store")
    if mode == "files":
        sys.addaudithook(trigger.audit)
    runner = Runner(store, observe=trigger.event) if mode == "events" else Runner(store)
    Runs(place / "runs").run(runner, build_plan(pipeline, store))
    points, trigger.n = trigger.seen, -1
    (place / "points").write_text(str(points))


def finished_work(place: Path) -> list[str]:
    """Return the lines that may not be logged again: finished steps, shards and checkpoints."""
    store, work = Store(place / "store"), place / "store" / ".work"
    lines = [f"{entry.manifest.step} started" for entry in store.entries()]
    starts = (
        (0, 2, 4)
        if "data started" in lines
        else [int(path.name[:9]) for path in work.glob("*/work/shards/*") if path.suffix != ".partial"]
    )
    lines += [f"data shard {start}" for start in starts]
    for path in work.glob("*/work/rule-*.json"):
        # The first rule adds 1 or 2 to the numbers from 1 up, the second doubles that.
        by = json.loads(path.read_text())[0] // (1 + int(path.stem[-1])) - 1
        lines.append(f"change-{by} rule {path.stem[-1]}")
    return lines


def report(n: int, place: Path, finished: list[str], killed: bool = False) -> None:
    store = Store(place / "store")
    prints = {
        f"{entry.manifest.step}.{name}": output.fingerprint
        for entry in store.entries()
        for name, output in entry.manifest.outputs.items()
    }
    again = place / "log-again"
    summary = place / "runs" / "latest" / "summary.json"
    line = {
        "n": n,
        "killed": killed,
        "fingerprints": prints,
        "finished": finished,
        "again": again.read_text().splitlines() if again.exists() else [],
        "left": [path.name for path in (place / "store" / ".work").iterdir()],
        "summary": json.loads(summary.read_text())["metrics"],
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # What is written outlives a killed process without it, and it takes most of the time.
    os.fsync = lambda descriptor: None
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
