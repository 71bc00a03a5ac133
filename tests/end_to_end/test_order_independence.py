"""Neither a second try, nor the order of lines, nor the size of shards changes a negative or a weight."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import small

UP_TO_TRAINING = ("--step", "model-*")
SAME = (
    "select.negatives",
    "select.removals",
    "assemble-hybrid.training_set",
    "model-in-batch.model",
    "model-hybrid.model",
)


def shuffle_lines(file: Path, seed: int) -> None:
    """Put the lines of a file into another order; a heading stays where it is."""
    lines = file.read_text(encoding="utf-8").splitlines()
    head, rest = (lines[:1], lines[1:]) if file.suffix == ".tsv" else ([], lines)
    shuffled = random.Random(seed).sample(rest, len(rest))
    assert shuffled != rest
    file.write_text("\n".join([*head, *shuffled]) + "\n", encoding="utf-8")


def run(folder: Path, pyrite: Any, *options: str) -> dict[str, str]:
    """Run with a store of its own; return the fingerprints of what was made."""
    shutil.rmtree(folder / ".pyrite", ignore_errors=True)
    answer = pyrite("run", "small.yaml", "--json", "--quiet", *UP_TO_TRAINING, *options)
    assert answer.code == 0, answer.err
    return small.fingerprints_of_run(folder)


@pytest.mark.parametrize("dev", ["given", "cut"])
@pytest.mark.parametrize("sampler", ["{type: uniform, count: 3, seed: 5}", "{type: top, count: 4}"])
def test_order_and_shards_change_no_negative(small_folder: Path, pyrite: Any, sampler: str, dev: str) -> None:
    if dev == "cut":
        (small_folder / "tiny" / "qrels" / "dev.tsv").unlink()
    drawn = ("--set", f"steps.select.settings.sampler={sampler}")
    first = run(small_folder, pyrite, *drawn)
    assert run(small_folder, pyrite, *drawn) == first

    for number, name in enumerate(["corpus.jsonl", "queries.jsonl", "qrels/train.tsv"]):
        shuffle_lines(small_folder / "tiny" / name, number)
    shuffled = run(small_folder, pyrite, *drawn, "--shard-size", "5", "--encode-batch-size", "3")
    assert shuffled["data.corpus"] != first["data.corpus"]
    assert {name: shuffled[name] for name in SAME} == {name: first[name] for name in SAME}


def test_another_seed_draws_other_negatives(small_folder: Path, pyrite: Any) -> None:
    one, two = (
        run(small_folder, pyrite, "--set", f"steps.select.settings.sampler={{type: uniform, count: 2, seed: {seed}}}")
        for seed in (0, 1)
    )
    assert one["select.negatives"] != two["select.negatives"]
    assert one["rescore.candidates"] == two["rescore.candidates"]
