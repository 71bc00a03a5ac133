"""What is done again, and what is not, when something changes."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small

from pyrite.testing.models import write_static_model

RUN = ("run", "small.yaml", "--json", "--quiet")
HYBRID = {
    "before-training",
    "assemble-hybrid",
    "teach",
    "train-cross",
    "cet",
    "rerank",
    "export",
    "model-hybrid",
    "model-taught",
    "embed-hybrid",
    *(f"{stage}-{split}-hybrid" for stage in ("search", "score") for split in ("dev", "test")),
    "choose",
    "compare",
    "report",
}
ALL = {
    "data",
    "bm25",
    "model-untrained",
    "random",
    "elsewhere",
    "graph",
    "mine",
    "rescore",
    "cross",
    "rescore-cross",
    "calibrate",
    "rescore-bm25",
    "cet-light",
    "select-cet",
    "select",
    "recommend",
    "assemble-in-batch",
    "mined-elsewhere",
    "model-in-batch",
    "rounds",
    *(f"embed-{model}" for model in ("untrained", "in-batch")),
    *(f"{s}-{split}-{m}" for s in ("search", "score") for split in ("dev", "test") for m in ("untrained", "in-batch")),
    *HYBRID,
}
# In a process of its own: the seconds of a fresh interpreter, and what it loads.
PROGRAM = """
import sys
from pyrite.cli import main
code = main(["run", "small.yaml", "--json", "--quiet"])
sys.stderr.write(" ".join(sorted({"torch", "transformers", "faiss", "bm25s", "matplotlib"} & sys.modules.keys())))
sys.exit(code)
"""


@pytest.fixture(scope="module")
def finished(small_inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which the small pipeline was run; only to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(small_inputs, folder, dirs_exist_ok=True)
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {step["status"] for step in json.loads(done.stdout)["steps"]} == {"executed"}
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of that folder, for one test to change."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True, symlinks=True)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_a_second_run_executes_nothing_and_loads_no_library(folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=folder, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    steps = json.loads(done.stdout)["steps"]
    assert ({step["id"] for step in steps}, {step["status"] for step in steps}) == (ALL, {"cached"})
    assert len(ALL) == small.STEPS
    assert done.stderr == ""
    # Of the processor, since others may use the machine as well.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 3


def test_a_changed_margin_runs_select_and_what_follows(folder: Path, pyrite: Any) -> None:
    edit(folder / "small.yaml", "margin: 0.05", "margin: 0.2")
    reasons = {step["id"]: step["reasons"] for step in pyrite("why", "small.yaml", "--json").data if not step["cached"]}
    assert reasons["select"] == ["setting changed: settings.filters.0.margin: 0.05 -> 0.2"]
    assert reasons["model-hybrid"] == ["input training_set changed: output 'training_set' of step 'assemble-hybrid'"]
    assert set(reasons) == {"select", *HYBRID}
    assert pyrite(*RUN).executed() == {"select", *HYBRID}
    assert pyrite(*RUN).executed() == set()


def test_a_changed_byte_of_the_corpus_runs_all_that_reads_it(folder: Path, pyrite: Any) -> None:
    edit(folder / "tiny" / "corpus.jsonl", "Halite is rock salt.", "Halite is rock malt.")
    (reason,) = pyrite("why", "small.yaml", "data", "--json").data[0]["reasons"]
    assert reason.startswith("setting changed: settings.source.folder.corpus.jsonl: ")
    assert pyrite(*RUN).executed() == ALL - {"model-untrained", "mined-elsewhere", "elsewhere", "cross"}


def test_changed_judgements_run_all_that_reads_the_collection(folder: Path, pyrite: Any) -> None:
    edit(folder / "tiny" / "qrels" / "test.tsv", "q12\tmagnetite\t1", "q12\tmagnetite\t2")
    assert pyrite(*RUN).executed() == ALL - {"model-untrained", "mined-elsewhere", "elsewhere", "cross"}


def test_other_resources_run_nothing(folder: Path, pyrite: Any) -> None:
    other = ("--shard-size", "3", "--encode-batch-size", "2", "--device", "auto")
    assert pyrite(*RUN, *other).executed() == set()
    edit(folder / "small.yaml", "resources: {device: cpu, shard_size: 8}", "resources: {device: auto, shard_size: 5}")
    assert pyrite(*RUN).executed() == set()


def test_a_model_changed_in_place_is_another_model(folder: Path, pyrite: Any) -> None:
    (weights,) = (folder / "words").rglob("model.safetensors")
    kept, times = weights.read_bytes(), weights.stat()
    before = small.fingerprints_of_run(folder)
    # One bit of one weight; name, size and times as before.
    weights.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    untouched = {"data", "bm25", "random", "elsewhere", "assemble-in-batch", "mined-elsewhere", "cross"}
    assert pyrite(*RUN).executed() == ALL - untouched
    after = small.fingerprints_of_run(folder)
    assert after["embed-untrained.index"] != before["embed-untrained.index"]
    weights.write_bytes(kept)
    assert pyrite(*RUN).executed() == set()


def test_a_model_at_another_place_is_the_same_model(folder: Path, pyrite: Any) -> None:
    (folder / "words").rename(folder / "elsewhere")
    (folder / "elsewhere" / "README.md").write_text("Notes do not count.")
    edit(folder / "small.yaml", "model: words}", "model: ./elsewhere}")
    assert pyrite(*RUN).executed() == set()


def test_another_retrained_checkpoint_meets_no_stale_embeddings(folder: Path, pyrite: Any) -> None:
    before = small.fingerprints_of_run(folder)
    seed = "steps.model-in-batch.settings.trainer.seed=2"
    executed = pyrite(*RUN, "--set", seed).executed()
    assert executed == {step for step in ALL if step.endswith("-in-batch") and step != "assemble-in-batch"} | {
        "choose",
        "compare",
        "report",
    }
    after = small.fingerprints_of_run(folder)
    changed = ("model-in-batch.model", "embed-in-batch.index")
    assert all(before[name] != after[name] for name in changed)
    assert before["embed-hybrid.index"] == after["embed-hybrid.index"]


def test_a_result_changed_in_the_store_is_found(folder: Path, pyrite: Any) -> None:
    (weights,) = (folder / ".pyrite" / "store" / "model").rglob("model.safetensors")
    content = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    answer = pyrite("verify", "--json")
    assert answer.code == 1
    assert [name.split("/")[0] for name in answer.data["damaged"]] == ["model"]


def test_one_name_and_two_contents_have_two_keys(folder: Path, pyrite: Any) -> None:
    def key() -> str:
        steps = pyrite("plan", "small.yaml", "--json").data["steps"]
        return str(next(step["key"] for step in steps if step["id"] == "model-untrained"))

    first = key()
    shutil.rmtree(folder / "words")
    write_static_model(folder / "words", ["gold pyrite"], seed=1)
    assert key() != first
