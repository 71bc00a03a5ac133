"""Time and weigh functions in fresh processes, and write what came out.

A benchmark is a module of this package with a `main`; `make bench-NAME` runs it.

Example:
    ```python
    calls = {"ours": Call("benchmarks.spine:mine"), "peer": Call("benchmarks.spine:mine_by_peer")}
    measured = interleave(calls, repeats=5)
    seconds = {name: median(runs, "seconds") for name, runs in measured.items()}
    write_results("spine", [at_most("mining", seconds["ours"], "s", target=2.0, peer=seconds["peer"])])
    ```
"""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from rich.console import Console
from rich.table import Table

from pyrite.memory import give_back

__all__ = ["Call", "Measurement", "Result", "at_least", "at_most", "interleave", "measure", "median", "write_results"]

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "pyrite", "sentence-transformers", "transformers", "torch", "faiss-cpu", "faiss-gpu", "bm25s", "rank-bm25",
    "ir-measures", "numpy", "pyarrow", "numba",
)  # fmt: skip
_SAMPLE_SECONDS = 0.005
_BUSY_SECONDS = 0.2
_BUSY_SHARE = 0.1


@dataclass(frozen=True)
class Result:
    """One number of a benchmark.

    Attributes:
        name: What was measured.
        value: The number.
        unit: Its unit, such as "s", "MB" or "nDCG@10".
        peer: What the peer reached by the same measure, or None.
        target: What was aimed at, or None.
        met: Whether the target is met, or None where there is none.
    """

    name: str
    value: float
    unit: str
    peer: float | None = None
    target: float | None = None
    met: bool | None = None


def at_most(name: str, value: float, unit: str, target: float, peer: float | None = None) -> Result:
    """Return a result whose target is a ceiling: seconds, bytes."""
    return Result(name, value, unit, peer, target, value <= target)


def at_least(name: str, value: float, unit: str, target: float, peer: float | None = None) -> Result:
    """Return a result whose target is a floor: quality, rate."""
    return Result(name, value, unit, peer, target, value >= target)


@dataclass(frozen=True)
class Call:
    """A function to be measured in a process of its own.

    Attributes:
        function: "module:function". What it returns must be JSON.
        args: Its keyword arguments, as JSON values.
        prepare: "module:function" or None. Called first with `args`, outside the time; `function`
            is then called with what it returned as its only argument.
    """

    function: str
    args: Mapping[str, Any] = field(default_factory=dict)
    prepare: str | None = None


@dataclass(frozen=True)
class Measurement:
    """What one call cost.

    Attributes:
        seconds: Wall time of the function alone, imports and preparation apart.
        peak_anonymous_mb: Most anonymous memory that the process and its children held at once
            (RssAnon, sampled every 5 ms), in MB of 10**6 bytes. Memory-mapped files do not count.
        peak_resident_mb: Most resident memory of the process (VmHWM), mapped files included.
        value: What the function returned.
        added_anonymous_mb: Most anonymous memory while the function ran, above what was held when its preparation
            ended, in MB of 10**6 bytes.
    """

    seconds: float
    peak_anonymous_mb: float
    peak_resident_mb: float
    value: Any
    added_anonymous_mb: float = 0.0


def measure(call: Call) -> Measurement:
    """Run a call in a fresh interpreter; say so where the machine is busy with something else.

    Raises:
        RuntimeError: The process failed; the message holds what it wrote to stderr.
    """
    _warn_of_other_work()
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.harness", json.dumps(asdict(call)), str(answer)]
        with (Path(folder) / "stderr").open("w+") as stderr:
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stderr)
            whole, working = _peak_anonymous_bytes(process, Path(f"{answer}.prepared"))
            if process.returncode != 0:
                stderr.seek(0)
                raise RuntimeError(f"{call.function} ended with {process.returncode}:\n{stderr.read()[-4000:]}")
        told = json.loads(answer.read_text(encoding="utf-8"))
    added = max(0, working - told["prepared_anonymous_bytes"])
    return Measurement(told["seconds"], whole / 1e6, told["peak_resident_bytes"] / 1e6, told["value"], added / 1e6)


def interleave(calls: Mapping[str, Call], repeats: int = 5) -> dict[str, list[Measurement]]:
    """Measure calls in turn, a, b, a, b ..., so that a machine's slow minutes fall on all alike."""
    measured: dict[str, list[Measurement]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            measured[name].append(measure(call))
    return measured


def median(
    runs: Sequence[Measurement],
    of: Literal["seconds", "peak_anonymous_mb", "peak_resident_mb", "added_anonymous_mb"] = "seconds",
) -> float:
    """Return the median of one number over repeats."""
    return statistics.median(getattr(run, of) for run in runs)


def write_results(name: str, results: Sequence[Result], folder: Path = RESULTS) -> Path:
    """Print a table of results and write them to `folder`/`name`.json; return the file.

    Each entry holds the fields of `Result` and "machine", "versions" and "date".
    """
    context = {"machine": _machine(), "versions": _versions(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    entries = [{**asdict(result), **context} for result in results]
    path.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    Console().print(_table(name, results))
    return path


def _table(name: str, results: Sequence[Result]) -> Table:
    table = Table("name", "value", "unit", "peer", "target", "met", title=name)
    for result in results:
        numbers = ["" if number is None else f"{number:.4g}" for number in (result.peer, result.target)]
        met = {None: "", True: "yes", False: "NO"}[result.met]
        table.add_row(result.name, f"{result.value:.4g}", result.unit, *numbers, met)
    return table


def _peak_anonymous_bytes(process: subprocess.Popen[bytes], prepared: Path) -> tuple[int, int]:
    """Sample a process and its children until it ends; return the peak, and the peak once `prepared` is there."""
    before = after = 0
    while process.poll() is None:
        working = prepared.exists()
        held = _anonymous_bytes(process.pid)
        before, after = (before, max(after, held)) if working else (max(before, held), after)
        time.sleep(_SAMPLE_SECONDS)
    return max(before, after), after


def _warn_of_other_work() -> None:
    """Threads that spin at a barrier wait for one that has no processor: ratios change with it, not times alone."""
    busy = psutil.cpu_percent(_BUSY_SECONDS) / 100
    if busy > _BUSY_SHARE:
        sys.stderr.write(f"other work takes {busy:.0%} of the processors: what is measured now is no result\n")


def _anonymous_bytes(pid: int | str) -> int:
    """Add up what a process and its children hold; 0 where it is gone.

    Its children are read from the process itself: a look at all processes of the machine, every few milliseconds,
    would take half a processor from what is measured.
    """
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return 0
    children = [child for thread in threads for child in _words(thread / "children")]
    return _status_bytes(pid, "RssAnon") + sum(map(_anonymous_bytes, children))


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _status_bytes(pid: int | str, name: str) -> int:
    """Read a line such as "RssAnon:  123 kB" of /proc/PID/status; 0 where the process is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(name + ":")), 0)


def _machine() -> dict[str, Any]:
    memory = psutil.virtual_memory().total / 1e9
    machine = {"system": platform.platform(), "processor": _processor(), "cores": len(os.sched_getaffinity(0))}
    return {**machine, "memory_gb": round(memory, 1)}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _load(reference: str) -> Any:
    module, _, function = reference.partition(":")
    return getattr(importlib.import_module(module), function)


def _give_back() -> None:
    """Give memory that preparation has freed back to the system, or else what uses it again would count as nothing."""
    gc.collect()
    give_back()


def _child(specification: str, answer: str) -> None:
    """Run one call in this process and write what it cost and returned."""
    call = json.loads(specification)
    function = _load(call["function"])
    prepared = [_load(call["prepare"])(**call["args"])] if call["prepare"] else []
    arguments = {} if call["prepare"] else call["args"]
    _give_back()
    held = _status_bytes("self", "RssAnon")
    Path(f"{answer}.prepared").touch()
    start = time.perf_counter()
    value = function(*prepared, **arguments)
    seconds = time.perf_counter() - start
    told = {"seconds": seconds, "value": value, "prepared_anonymous_bytes": held}
    told["peak_resident_bytes"] = _status_bytes("self", "VmHWM")
    Path(answer).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    _child(*sys.argv[1:3])
