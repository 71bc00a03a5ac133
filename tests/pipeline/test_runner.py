from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import number_stages as ns
import pytest
from workbench import Bench

from pyrite.errors import StageError
from pyrite.pipeline.context import Resources
from pyrite.pipeline.events import Event
from pyrite.pipeline.explain import explain
from pyrite.pipeline.plan import build_plan
from pyrite.pipeline.runner import Runner

STEPS = ["data", "change-1", "change-2", "sum", "page"]


def test_a_pipeline_computes_what_it_says(bench: Bench) -> None:
    finished = bench.run()
    assert [(step.id, step.status) for step in finished.result.steps] == [(step, "executed") for step in STEPS]
    total = finished.result.steps[3]
    # 1..6 plus 1, times 2, is 54; plus 2, times 2, is 66.
    assert ns.Total.open(bench.store.root / "total" / total.key / "total").values == [120]


def test_a_second_run_executes_nothing_and_opens_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    bench.ran()
    monkeypatch.setattr(ns.Numbers, "open", None)
    started = time.monotonic()
    finished = bench.run()
    assert time.monotonic() - started < 1.0
    assert [step.status for step in finished.result.steps] == ["cached"] * 5
    assert bench.ran() == []


def test_a_changed_setting_runs_that_step_and_what_follows(bench: Bench) -> None:
    bench.run()
    bench.ran()
    finished = bench.run(bench.pipeline(overrides=("steps.change-2.settings.rules.0.by=5",)))
    assert [step.id for step in finished.result.steps if step.status == "executed"] == ["change-2", "sum", "page"]
    assert [line for line in bench.ran() if "data" in line or "change-1 " in line] == []


def test_resources_do_not_change_a_key_or_a_result(bench: Bench) -> None:
    first = bench.run()
    for entry in list(bench.store.entries()):
        bench.store.remove(entry)
    second = bench.run(resources=Resources(shard_size=5))
    assert [step.key for step in first.result.steps] == [step.key for step in second.result.steps]
    assert second.result.executed == 5
    assert [line for line in bench.ran() if "shard" in line] == [f"data shard {start}" for start in (0, 2, 4, 0, 5)]


def test_events_tell_what_happens(bench: Bench) -> None:
    events: list[Event] = []
    bench.run(targets=("data",), observe=events.append)
    assert [(event.kind, event.text, event.done) for event in events if event.kind != "published"] == [
        ("step-started", events[0].text, 0),
        ("progress", "count", 0),
        ("shard-finished", "000000000-000000002", 0),
        ("shard-finished", "000000002-000000004", 0),
        ("shard-finished", "000000004-000000006", 0),
        ("progress", "count", 6),
        ("publishing", "numbers", 0),
        ("publishing", "manifest", 0),
    ]
    assert (events[-1].kind, events[-1].step) == ("published", "data")


def test_a_failing_stage_names_the_step_and_keeps_what_was_done(bench: Bench) -> None:
    failing = bench.pipeline(overrides=("steps.change-2.settings.fail=true",))
    with pytest.raises(StageError, match=r"step 'change-2' \(stage 'change'\) failed: failed on purpose") as raised:
        bench.run(failing)
    assert str(raised.value.__cause__) == "failed on purpose"
    assert {entry.manifest.step for entry in bench.store.entries()} == {"data", "change-1"}
    record = next(bench.runs.records())[1]
    assert (record.status, record.error) == ("failed", str(raised.value))
    assert not (bench.runs.root / "latest").exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EFBIG, "File too large"),
        # What numpy raises where only a part of an array could be written.
        OSError("512822 requested and 153568 written"),
        # torch, where a checkpoint was cut short, and safetensors, whose error is of a class of its own.
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 14656 vs 14608"),
        RuntimeError("[enforce fail at inline_container.cc:858] . PytorchStreamWriter failed writing file data/0"),
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named_and_costs_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ns.Numbers, "save", full)
        with pytest.raises(StageError, match=r"failed: there is no room to write \(.*\); make room") as raised:
            bench.run()
    # The command line takes it for no fault of the code.
    assert isinstance(raised.value.__cause__, OSError)
    assert list(bench.store.entries()) == []
    bench.run()
    assert {entry.manifest.step for entry in bench.store.entries()} >= {"data", "change-1"}


def test_ctrl_c_leaves_the_store_as_it_was(bench: Bench) -> None:
    def interrupt(event: Event) -> None:
        if (event.step, event.kind) == ("change-1", "checkpoint"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.run(observe=interrupt)
    assert [entry.kind for entry in bench.store.entries()] == ["count"]
    assert list((bench.store.root / ".work").glob("*.lock")) == []
    bench.ran()
    bench.run()
    assert "change-1 rule 0" not in bench.ran()


def test_a_wrong_output_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ns, "Numbers", ns.Total)
    with pytest.raises(StageError, match=r"the output 'numbers' is .*, wants an artifact of the kind 'numbers'"):
        bench.run(targets=("data",))


def test_manifests_tell_where_everything_came_from(bench: Bench) -> None:
    steps = {step.id: step for step in bench.run().result.steps}
    manifest = bench.store.find("total", steps["sum"].key).manifest
    assert (manifest.step, manifest.pipeline, manifest.version) == ("sum", "numbers", 1)
    assert manifest.inputs == {
        "parts": {name: f"change/{steps[name].key}.numbers" for name in ("change-1", "change-2")}
    }
    assert manifest.outputs["total"].summary == {"rows": 1}
    assert manifest.outputs["total"].fingerprint == ns.Total([120]).fingerprint()
    assert manifest.environment["packages"]["numpy"]


def test_a_stage_sees_the_manifests_of_all_that_it_was_given(bench: Bench) -> None:
    finished = bench.run()
    steps = {step.id: step.key for step in finished.result.steps}
    assert list(finished.summary["made_from"]) == ["data", "change-1", "change-2", "sum"]
    assert finished.summary["made_from"]["change-2"] == {"numbers": f"count/{steps['data']}.numbers"}


def test_a_step_is_done_once_although_two_run_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, events = bench.pipeline(), []
    inside, go_on = threading.Event(), threading.Event()

    def hold(event: Event) -> None:
        if (event.step, event.kind) == ("data", "step-started"):
            inside.set()
            assert go_on.wait(10)

    def watch(event: Event) -> None:
        events.append((event.step, event.kind))
        if event.kind == "step-waiting":
            go_on.set()

    first = threading.Thread(target=lambda: Runner(bench.store, observe=hold).run(pipeline))
    first.start()
    assert inside.wait(10)
    Runner(bench.store, observe=watch).run(pipeline, ["data"])
    first.join(10)
    assert events == [("data", "step-waiting"), ("data", "step-cached")]
    assert bench.ran().count("data started") == 1


def test_two_processes_on_one_store_do_no_step_twice(bench: Bench) -> None:
    bench.pipeline()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import number_stages as ns\n"
        "from pathlib import Path\n"
        "from pyrite.pipeline.definition import read_pipeline\n"
        "from pyrite.pipeline.runner import Runner\n"
        "from pyrite.pipeline.store import Store\n"
        "Runner(Store(Path(sys.argv[2]))).run(read_pipeline(Path(sys.argv[3]), ns.CATALOG))\n"
    )
    arguments = [sys.executable, "-c", script, str(Path(__file__).parent), str(bench.store.root), str(bench.file)]
    processes = [subprocess.Popen(arguments) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    started = [line.split()[0] for line in bench.ran() if " started" in line]
    assert sorted(started) == sorted(STEPS)


def reasons(bench: Bench, overrides: tuple[str, ...] = (), text: str | None = None) -> dict[str, tuple[str, ...]]:
    plan = build_plan(bench.pipeline(text, overrides), bench.store)
    return {one.id: one.reasons for one in explain(plan, bench.store, bench.runs)}


def test_why_names_what_changed(bench: Bench) -> None:
    assert set(reasons(bench).values()) == {("never run before",)}
    bench.run()
    assert all(found[0].startswith("done before: ") for found in reasons(bench).values())
    found = reasons(bench, ("steps.change-2.settings.rules.0.by=5", 'steps.change-2.settings.rules.1={"type": "plus"}'))
    assert found["change-2"] == (
        "setting changed: settings.rules.0.by: 2 -> 5",
        "setting changed: settings.rules.1.by: 2 -> 1",
        'setting changed: settings.rules.1.type: "times" -> "plus"',
    )
    assert found["sum"] == ("input parts.change-2 changed: output 'numbers' of step 'change-2'",)
    assert found["page"] == ("input parts.all changed: output 'total' of step 'sum'",)
    assert found["change-1"][0].startswith("done before: ")


def test_why_knows_versions_inputs_and_lost_results(bench: Bench) -> None:
    keys = {step.id: step.key for step in bench.run().result.steps}
    more = ns.PIPELINE.replace('parts: ["change-*.numbers"]', "parts: {change-1: change-1.numbers, data: data.numbers}")
    assert reasons(bench, text=more)["sum"] == (
        "input parts.data is new: output 'numbers' of step 'data'",
        "input parts.change-2 is no longer given",
    )
    bench.store.remove(bench.store.find("total", keys["sum"]))
    assert reasons(bench, text=ns.PIPELINE)["sum"] == ("done before, but its result is no longer in the store",)
    other = ns.PIPELINE.replace("sum:\n    stage: total", "sum:\n    stage: page").replace("sum.total", "data.numbers")
    bench.run(bench.pipeline(ns.PIPELINE))
    assert reasons(bench, text=other)["sum"] == ("stage changed: total -> page",)
