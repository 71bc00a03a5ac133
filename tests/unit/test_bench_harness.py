"""The harness times and weighs what it is told to, and writes what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGETS = """
import mmap, time

def double(number): return 2 * number
def sleep(seconds): time.sleep(seconds)
def slow_preparation(number): time.sleep(0.3); return number
def hold(megabytes):
    block = bytearray(megabytes * 10**6)
    time.sleep(0.05)
    return len(block)
def load(megabytes, more):
    bytearray(megabytes * 2 * 10**6)
    return bytearray(megabytes * 10**6), more
def add(loaded):
    return hold(loaded[1])
def hold_blocks(megabytes):
    blocks = [b"a" * 100_000 for _ in range(megabytes * 10)]
    time.sleep(0.05)
    return blocks[-1:]
def count_blocks(megabytes): return len(hold_blocks(megabytes))
def scatter(megabytes):
    last = hold_blocks(megabytes)
    hold_blocks.last = last
    return megabytes
def read_map(path):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        total = sum(mapped[i] for i in range(0, len(mapped), 4096))
        time.sleep(0.05)
    return total
def fail(): raise ValueError("no such luck")
"""


@pytest.fixture(scope="module", autouse=True)
def _targets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("targets")
    (folder / "bench_targets.py").write_text(TARGETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        patch.syspath_prepend(str(ROOT))
        yield


def test_a_call_returns_its_value_and_its_own_time() -> None:
    from benchmarks.harness import Call, measure

    assert measure(Call("bench_targets:double", {"number": 21})).value == 42
    assert 0.2 <= measure(Call("bench_targets:sleep", {"seconds": 0.2})).seconds < 0.4


def test_preparation_is_not_timed() -> None:
    from benchmarks.harness import Call, measure

    run = measure(Call("bench_targets:double", {"number": 4}, prepare="bench_targets:slow_preparation"))
    assert run.value == 8
    assert run.seconds < 0.2


def test_memory_of_the_preparation_is_told_apart() -> None:
    from benchmarks.harness import Call, measure

    run = measure(Call("bench_targets:add", {"megabytes": 100, "more": 30}, prepare="bench_targets:load"))
    assert 25 < run.added_anonymous_mb < 45
    assert run.peak_anonymous_mb > 130


def test_memory_counts_what_is_held_and_not_what_is_mapped(tmp_path: Path) -> None:
    from benchmarks.harness import Call, measure

    (tmp_path / "large").write_bytes(bytes(60 * 10**6))
    little = measure(Call("bench_targets:hold", {"megabytes": 1}))
    much = measure(Call("bench_targets:hold", {"megabytes": 61}))
    mapped = measure(Call("bench_targets:read_map", {"path": str(tmp_path / "large")}))
    assert 50 < much.peak_anonymous_mb - little.peak_anonymous_mb < 70
    assert abs(mapped.peak_anonymous_mb - little.peak_anonymous_mb) < 10
    assert mapped.peak_resident_mb - little.peak_resident_mb > 50


def test_a_failure_says_why() -> None:
    from benchmarks.harness import Call, measure

    with pytest.raises(RuntimeError, match="no such luck"):
        measure(Call("bench_targets:fail"))


def test_repeats_are_interleaved_and_their_median_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import harness

    order = []

    def pretend(call: harness.Call) -> harness.Measurement:
        order.append(call.function)
        return harness.Measurement(float(len(order)), 0.0, 0.0, None)

    monkeypatch.setattr(harness, "measure", pretend)
    measured = harness.interleave({"a": harness.Call("m:a"), "b": harness.Call("m:b")}, repeats=3)
    assert order == ["m:a", "m:b", "m:a", "m:b", "m:a", "m:b"]
    assert harness.median(measured["a"]) == 3.0
    assert harness.median(measured["b"]) == 4.0


def test_results_are_written_with_their_circumstances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.harness import Result, at_least, at_most, write_results

    results = [at_most("time", 1.5, "s", target=2.0, peer=3.0), at_least("quality", 0.4, "nDCG@10", target=0.5)]
    path = write_results("sample", [*results, Result("rows", 792, "rows")], folder=tmp_path)
    entries = json.loads(path.read_text())
    kept = [{key: entry[key] for key in ("name", "value", "unit", "peer", "target", "met")} for entry in entries]
    assert kept == [
        {"name": "time", "value": 1.5, "unit": "s", "peer": 3.0, "target": 2.0, "met": True},
        {"name": "quality", "value": 0.4, "unit": "nDCG@10", "peer": None, "target": 0.5, "met": False},
        {"name": "rows", "value": 792, "unit": "rows", "peer": None, "target": None, "met": None},
    ]
    assert all(entry["machine"]["cores"] >= 1 for entry in entries)
    assert all(entry["versions"]["python"] == sys.version.split()[0] for entry in entries)
    assert all(entry["date"].endswith("+00:00") for entry in entries)
    assert "quality" in capsys.readouterr().out


@pytest.mark.parametrize(("busy", "warned"), [(4.0, False), (60.0, True)])
def test_a_busy_machine_is_told_of(
    busy: float, warned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from benchmarks import harness

    monkeypatch.setattr(harness.psutil, "cpu_percent", lambda _: busy)
    harness.measure(harness.Call("bench_targets:double", {"number": 1}))
    assert ("other work takes 60% of the processors" in capsys.readouterr().err) == warned


def test_memory_that_preparation_freed_counts_when_it_is_used_again() -> None:
    from benchmarks.harness import Call, measure

    call = Call("bench_targets:count_blocks", {"megabytes": 100}, prepare="bench_targets:scatter")
    assert measure(call).added_anonymous_mb > 90


def test_what_children_hold_counts() -> None:
    from benchmarks import harness

    before = harness._anonymous_bytes(os.getpid())
    program = "held = bytearray(b'x') * 60_000_000; print('ready', flush=True); input()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as child:
        assert child.stdout is not None
        child.stdout.readline()
        held = harness._anonymous_bytes(os.getpid())
        child.communicate(b"\n")
    assert held - before > 50e6
