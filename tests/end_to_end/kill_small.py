"""Run the small pipeline and kill it, again and again; write what happened as JSON lines.

Started by test_kill_and_resume.py. Arguments: where to kill, a folder to work in, a number.

- `events`: one store, killed at each event that no try before was killed at. The number means nothing.
- `files`: one store, killed before file operations likewise: all that save checkpoints, one in `number` of the rest.
- `each-event`: as many stores as there are events, each killed at its own event, once; every `number`-th event.

The first line tells of a run that nobody killed. Each try is a fork of this process, which has imported everything.
"""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import small
import torch

from pyrite.pipeline.definition import Pipeline, read_pipeline
from pyrite.pipeline.events import Event
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.runner import Runner
from pyrite.pipeline.runs import Runs
from pyrite.pipeline.store import Store
from pyrite.pipeline.verification import verify_entry
from pyrite.stages import CATALOG

_OPERATIONS = {"open", "os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "shutil.rmtree"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_CHANGING = re.compile(r"(?<=\.)\d+(?=\.partial)|\d{8}T\d{6}Z-small(-\d+)?")
_MOST_TRIES = 2000


class Journal:
    """Lines in a file; what is written survives a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, line: str) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{line}\n".encode())
        os.close(descriptor)

    def lines(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []


class Watcher:
    """Notes events, and kills the process at a point where no try before this one was killed.

    Args:
        place: The folder of the store, of the runs and of what is noted; it outlives the tries.
        mode: Where to kill, or "never".
        number: With "files", one in so many operations; with "each-event", the event, from 1.
    """

    def __init__(self, place: Path, mode: str, number: int) -> None:
        self.place, self.mode, self.number = place, mode, number
        self.events, self.kills = Journal(place / "events"), Journal(place / "kills")
        self._met = set(self.kills.lines())
        self._seen = 0
        self._opened = ""

    def event(self, event: Event) -> None:
        text = f"{event.kind} {event.step} {event.text} {event.done}"
        self.events.add(text)
        if self.mode == "events" and event.kind != "step-cached":
            self.point(text)
        elif self.mode == "each-event" and not self._met:
            self._seen += 1
            if self._seen == self.number:
                self.point(text)

    def operation(self, name: str, arguments: tuple[object, ...]) -> None:
        """Receive what the interpreter tells of a file operation before it happens."""
        if name not in _OPERATIONS or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if not str(path).startswith(str(self.place)) or str(path).endswith(("/kills", "/events")):
            return
        self._opened = str(path)
        if name != "open" or (isinstance(arguments[2], int) and arguments[2] & _WRITING):
            self._operation(name, self._opened)

    def sync(self, descriptor: int) -> None:
        """Stand for `os.fsync`: what is written outlives a killed process without it."""
        self._operation("fsync", self._opened)

    def _operation(self, name: str, path: str) -> None:
        text = _CHANGING.sub("*", f"{name} {path.removeprefix(str(self.place))}")
        if "/checkpoints" in path or zlib.crc32(text.encode()) % self.number == 0:
            self.point(text)

    def point(self, text: str) -> None:
        if text not in self._met:
            self.kills.add(text)
            os.kill(os.getpid(), signal.SIGKILL)


def main(mode: str, folder: Path, number: int) -> None:
    small.write_inputs(folder)
    os.chdir(folder)
    pipeline = read_pipeline(small.PIPELINE, CATALOG)
    # In this process, so that those to come need not import anything.
    run(pipeline, folder / "whole", "never", 0)
    report(folder / "whole")
    gc.freeze()
    if mode == "each-event":
        events = len(Journal(folder / "whole" / "events").lines()) - 1
        for event in range(1, events + 1, number):
            kill_until_done(pipeline, folder / f"killed-{event}", mode, event)
    else:
        kill_until_done(pipeline, folder / "killed", mode, number)


def kill_until_done(pipeline: Pipeline, place: Path, mode: str, number: int) -> None:
    for _ in range(_MOST_TRIES):
        status = fork(lambda: run(pipeline, place, mode, number))
        if not os.WIFSIGNALED(status):
            break
    if status:
        raise SystemExit(f"{place}: the last try ended with {status}")
    report(place)


def fork(work: Callable[[], None]) -> int:
    """Work in a process of its own; return its wait status."""
    with warnings.catch_warnings():
        # The libraries' threads that a fork does not take along are idle.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


def run(pipeline: Pipeline, place: Path, mode: str, number: int) -> None:
    place.mkdir(exist_ok=True)
    watcher = Watcher(place, mode, number)
    watcher.events.add("try")
    if mode == "files":
        os.fsync = watcher.sync
        sys.addaudithook(watcher.operation)
    store = Store(place / "store")
    Runs(place / "runs").run(Runner(store, observe=watcher.event), build_plan(pipeline, store))
    watcher.mode = "never"


def report(place: Path) -> None:
    store = Store(place / "store")
    line = {
        "place": place.name,
        "kills": Journal(place / "kills").lines(),
        "events": Journal(place / "events").lines(),
        "fingerprints": small.fingerprints(store),
        "damaged": [entry.kind for entry in store.entries() if verify_entry(entry, CATALOG)],
        "left": [path.name for path in (place / "store" / ".work").iterdir()],
        "metrics": json.loads((place / "runs" / "latest" / "summary.json").read_text())["metrics"],
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.fsync = lambda descriptor: None
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
