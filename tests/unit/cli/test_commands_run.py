from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import number_stages as ns
import pytest

import pyrite as package
from pyrite.cli import pipelines

Cli = Callable[..., object]


def test_run_executes_and_then_finds_everything_done(pyrite: Cli) -> None:
    first = pyrite("run", "numbers.yaml", "--json")
    assert (first.code, first.data["summary"]["metrics"]) == (0, {"all": {"sum": 120}, "first": {"sum": 54}})
    assert [step["status"] for step in first.data["steps"]] == ["executed"] * 5
    assert first.err.splitlines()[0] == "data: started"
    second = pyrite("run", "numbers.yaml")
    assert "5 steps, 0 executed" in second.out
    assert second.err.splitlines() == [f"{step}: cached" for step in ("data", "change-1", "change-2", "sum", "page")]


def test_run_shows_the_metrics_and_the_report(pyrite: Cli) -> None:
    answer = pyrite("run", "numbers.yaml", "--quiet")
    lines = answer.out.splitlines()
    assert lines[:3] == ["system  sum", "all     120.0000", "first   54.0000"]
    assert Path(lines[-1].removeprefix("report: ")).read_text() == "<p>numbers</p>"
    assert answer.err == ""


def test_overrides_targets_and_resources(pyrite: Cli) -> None:
    answer = pyrite(
        "run", "numbers.yaml", "--step", "change-1", "--set", "steps.data.settings.last=3", "--shard-size", "1"
    )
    assert answer.code == 0
    log = Path("log.txt").read_text().splitlines()
    shards = ["data shard 0", "data shard 1", "data shard 2"]
    assert log == ["data started", *shards, "change-1 started", "change-1 rule 0", "change-1 rule 1"]


def test_plan_says_what_would_run(pyrite: Cli) -> None:
    pyrite("run", "numbers.yaml", "--step", "change-1")
    answer = pyrite("plan", "numbers.yaml")
    assert [line.split()[::3] for line in answer.out.splitlines()[:6]] == [
        ["step", "status"],
        ["data", "cached"],
        ["change-1", "cached"],
        ["change-2", "to"],
        ["sum", "to"],
        ["page", "to"],
    ]
    assert answer.out.splitlines()[-1] == "5 steps, 3 to run"
    assert [step["status"] for step in pyrite("plan", "numbers.yaml", "--json").data["steps"]][1:3] == [
        "cached",
        "to run",
    ]


def test_why_names_the_changed_setting(pyrite: Cli) -> None:
    pyrite("run", "numbers.yaml")
    answer = pyrite("why", "numbers.yaml", "--set", "steps.change-2.settings.rules.0.by=5")
    assert "change-2: will run\n  setting changed: settings.rules.0.by: 2 -> 5\n" in answer.out
    one = pyrite("why", "numbers.yaml", "change-1", "--json").data
    assert [(step["id"], step["cached"]) for step in one] == [("change-1", True)]


def test_validate(pyrite: Cli) -> None:
    assert pyrite("validate", "numbers.yaml").out == "numbers.yaml: pipeline 'numbers' is valid, 5 steps\n"
    Path("bad.yaml").write_text("name: n\nsteps:\n  a: {stage: cuont}\n")
    answer = pyrite("validate", "bad.yaml", "--json")
    assert answer.code == 1
    assert answer.data["error"]["type"] == "PlanError"
    assert answer.data["error"]["message"].startswith(
        "bad.yaml: 1 fault\n  bad.yaml:3: steps.a.stage: unknown stage 'cuont'"
    )
    assert answer.err == f"error: {answer.data['error']['message']}\n"


def test_verify_finds_damage(pyrite: Cli) -> None:
    pyrite("run", "numbers.yaml")
    assert pyrite("verify").out == "5 steps verified, 0 damaged\n"
    (file,) = Path(".pyrite/store/count").glob("*/numbers/numbers.json")
    file.write_text("[2, 2, 3, 4, 5, 6]")
    answer = pyrite("verify", "--json")
    assert answer.code == 1
    assert list(answer.data["damaged"]) == [f"count/{file.parts[-3]}"]
    assert pyrite("verify", "total/").code == 0


def test_gc_deletes_only_with_yes(pyrite: Cli) -> None:
    assert "nothing says what to keep" in pyrite("gc").err
    pyrite("run", "numbers.yaml")
    assert pyrite("gc").out == "nothing to delete\n"
    pyrite("run", "numbers.yaml", "--set", "steps.data.settings.last=3", "--runs", "elsewhere")
    listed = pyrite("gc", "--json").data
    assert (len(listed["steps"]), listed["deleted"]) == (5, False)
    assert len(pyrite("gc", "--yes", "--json").data["steps"]) == 5
    assert pyrite("gc").out == "nothing to delete\n"
    assert pyrite("plan", "numbers.yaml").out.endswith("5 steps, 0 to run\n")
    assert len(pyrite("gc", "--keep-runs", "0", "--json").data["steps"]) == 5
    assert pyrite("gc", "--keep-runs", "0", "--keep", "numbers.yaml").out == "nothing to delete\n"


def test_a_stage_command_is_a_pipeline_of_one_step(pyrite: Cli) -> None:
    counted = pyrite("count", "--set", "last=3", "--json").data
    assert (counted["status"], counted["outputs"]["numbers"]["summary"]) == ("executed", {"rows": 3})
    assert json.loads((Path(counted["run"]) / "summary.json").read_text())["metrics"] == {}
    assert Path("runs/latest").resolve() == Path(counted["run"])

    changed = pyrite("change", "--input", "numbers=latest:count.numbers", "--set", 'rules=[{"type": "times", "by": 5}]')
    ref, folder = changed.out.splitlines()[2].split()[1], changed.out.splitlines()[4].strip()
    assert json.loads((Path(folder) / "numbers.json").read_text()) == [5, 10, 15]

    Path("rules.yaml").write_text("rules: [{type: plus, by: 1}]\n")
    arguments = ["--settings", "rules.yaml", "--set", "rules.0.by=2"]
    again = pyrite(
        "change", "--input", f"numbers={counted['outputs']['numbers']['ref'][:16]}.numbers", *arguments, "--json"
    )
    inputs = ["--input", f"parts.a={ref}", "--input", f"parts.b={again.data['outputs']['numbers']['ref']}"]
    total = pyrite("total", *inputs, "--json").data["outputs"]["total"]
    assert ns.Total.open(Path(total["folder"])).values == [5 + 10 + 15 + 3 + 4 + 5]


def test_stage_commands_and_pipelines_share_results(pyrite: Cli) -> None:
    pyrite("run", "numbers.yaml")
    assert pyrite("count", "--set", "last=6", "--json").data["status"] == "cached"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["count", "--set", "last=0"],
            "steps.count.settings.last: input should be greater than or equal to 1 (given: 0)",
        ),
        (["count", "--set", "lost=1"], "steps.count.settings.lost: unknown setting; allowed: last, source"),
        (["count", "--set", "last"], "'last': wants PATH=VALUE, such as depth=200"),
        (["change"], "the input 'numbers' is missing; wants an output of the kind numbers"),
        (["change", "--input", "numbers"], "--input 'numbers': wants NAME=REF, such as corpus=latest:data.corpus"),
        (["change", "--input", "numbers=a/1.n", "--input", "numbers=a/2.n"], "numbers is given twice; give each once"),
        (["change", "--input", "numbers=latest:a.numbers"], "there is no run 'latest' in runs"),
        (["change", "--input", "numbers=count/abc.numbers"], "holds nothing named 'count/abc'"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (
            ["run", "numbers.yaml", "--shard-size", "0"],
            "options.shard_size: input should be greater than or equal to 1",
        ),
        (["change", "--settings", "numbers.txt"], "numbers.txt: no such file"),
        (["count", "--set", "last=2001-13-45"], "last: the value '2001-13-45' is no valid YAML or JSON"),
        (["gc", "--keep-runs", "-1"], "--keep-runs: wants a number from 0 up, not -1"),
    ],
)
def test_bad_input_is_told_without_traceback(pyrite: Cli, arguments: list[str], message: str) -> None:
    answer = pyrite(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert message in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("arguments", [["run"], ["mien"], ["run", "numbers.yaml", "--fast"], ["stages", "--quiet=x"]])
def test_a_command_line_that_is_none_ends_with_2(pyrite: Cli, arguments: list[str]) -> None:
    answer = pyrite(*arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert pyrite(*arguments, "--json").data["error"]["message"]


def test_a_failing_stage_is_told_in_its_own_words(pyrite: Cli) -> None:
    answer = pyrite("run", "numbers.yaml", "--quiet", "--set", "steps.change-1.settings.fail=true")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == (
        "error: step 'change-1' (stage 'change') failed: failed on purpose\n"
        "What was finished is kept: the next run goes on from there.\n"
    )


def test_a_bug_shows_its_traceback(pyrite: Cli) -> None:
    answer = pyrite("broken", "--quiet", "--json")
    assert answer.code == 1
    assert "ZeroDivisionError: a bug\nThis is a fault in Pyrite or in a plug-in: please report it" in answer.err
    assert "step 'broken' (stage 'broken') failed: ZeroDivisionError: a bug" in answer.data["error"]["message"]


def test_ctrl_c_ends_with_130(pyrite: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipelines, "execute", interrupt)
    answer = pyrite("run", "numbers.yaml")
    assert (answer.code, answer.err) == (130, "error: interrupted; what was finished is kept\n")


def test_the_store_is_named_by_the_environment(pyrite: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYRITE_STORE", "other")
    pyrite("count")
    assert os.listdir("other/count")  # noqa: PTH208
    assert not Path(".pyrite").exists()


def test_stages_are_listed(pyrite: Cli) -> None:
    assert "count   Count from 1 up, in shards.\n" in pyrite("stages").out
    assert pyrite("stages", "--json").data["total"] == "Add everything up."


def test_demo_runs_the_file_of_the_package_in_any_folder(
    pyrite: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "site" / "lib" / "pyrite"
    (installed / "examples").mkdir(parents=True)
    shutil.copy("numbers.yaml", installed / "examples" / "demo.yaml")
    monkeypatch.setattr(pipelines.importlib.resources, "files", lambda package: installed)
    assert pyrite("demo", "--json").data["summary"]["dataset"] == "numbers"


def test_demo_without_its_file_says_so(pyrite: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pipelines.importlib.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(package, "__file__", str(tmp_path / "a" / "b" / "c" / "__init__.py"))
    answer = pyrite("demo")
    assert answer.code == 1
    assert "the demonstration's file is missing; install Pyrite again" in answer.err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(28, "No space left on device"),
            "there is no room to write ([Errno 28] No space left on device); make",
        ),
        (OSError(5, "Input/output error"), "OSError: [Errno 5] Input/output error"),
    ],
)
def test_what_the_system_refuses_is_no_fault_of_the_code(
    error: OSError, told: str, pyrite: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: object) -> None:
        raise error

    monkeypatch.setattr(ns.Numbers, "save", refuse)
    answer = pyrite("count", "--quiet")
    assert answer.code == 1
    assert answer.err.startswith(f"error: step 'count' (stage 'count') failed: {told}")


def test_a_home_folder_is_meant_by_its_sign(pyrite: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert pyrite("count", "--store=~/store", "--runs=~/runs").code == 0
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["runs", "store"]


def test_a_folder_in_the_place_of_the_link_is_told_before_anything_runs(pyrite: Cli) -> None:
    Path("runs/latest").mkdir(parents=True)
    assert "runs/latest: is a folder, where the link to the latest run goes" in pyrite("run", "numbers.yaml").err
    assert not Path("log.txt").exists()


def test_a_report_that_is_gone_or_damaged_is_told(pyrite: Cli) -> None:
    pyrite("run", "numbers.yaml")
    (page,) = Path(".pyrite/store/page").glob("*/page")
    (page / "summary.json").write_text("{")
    assert "summary.json: is no summary" in pyrite("run", "numbers.yaml", "--quiet").err
    shutil.rmtree(page)
    answer = pyrite("run", "numbers.yaml", "--quiet")
    assert f"{page}: is gone; remove the folder {page.parent} to have the step done again" in answer.err
    assert "Traceback" not in answer.err
