"""Two processes connected by gloo, as a launcher starts them, train what one process trains."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import TrainingSet
from pyrite.testing.models import write_transformer_model
from pyrite.train import TrainingTexts
from pyrite.train.processes import ALONE, Processes

INFONCE = {"type": "infonce", "temperature": 0.2, "learn_temperature": True, "directions": "both"}
# 40 pairs in batches of 9: the last batch of an epoch has 4.
SETTINGS = {
    "type": "transformer",
    "batch_size": 9,
    "epochs": 2,
    "learning_rate": 1e-3,
    "max_gradient_norm": 0,
    "loss": INFONCE,
}
# One pair a batch at the end: fewer queries than processes.
LONELY = SETTINGS | {"batch_size": 39, "epochs": 1, "negatives": 1}
RUNS = {
    "plain": {"settings": SETTINGS},
    "cached": {"settings": SETTINGS, "mini_batch_tokens": 24},
    "lonely": {"settings": LONELY},
    "adapters": {"settings": SETTINGS | {"learning_rate": 1e-2, "lora": {"rank": 4}}},
}

# argv: the folder of the inputs and of what comes out, the model, the runs as JSON.
PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
from pydantic import TypeAdapter
from pyrite.data import Corpus, Queries, TrainingSet
from pyrite.train import TrainerSettings, TrainingJob, TrainingTexts, train
from pyrite.train.biencoder import _Keeper

torch.set_num_threads(1)
inputs, model, runs = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
rank = os.environ.get("RANK", "alone")

def keep_gradients(self, args, state, control, model=None, **_):
    if state.global_step == 0:
        gradients = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
        gradients |= {f"learnt {i}": scalar.grad for i, scalar in enumerate(self._loss.learnt.scalars)}
        torch.save(gradients, work / f"gradients-{rank}.pt")

_Keeper.on_pre_optimizer_step = keep_gradients
for name, run in runs.items():
    work = inputs / rank.replace("0", "two").replace("1", "two") / name
    work.mkdir(parents=True, exist_ok=True)
    told = []

    def dev(folder):
        told.append("dev")
        return float(len(told))

    result = train(
        model,
        TrainingSet.open(inputs),
        TrainingTexts(Corpus.open(inputs), Queries.open(inputs)),
        TypeAdapter(TrainerSettings).validate_python(run["settings"]),
        prompts={},
        job=TrainingJob(
            work,
            device="cpu",
            mini_batch_tokens=run.get("mini_batch_tokens"),
            trackers=(),
            on_step=lambda done, steps: told.append("step"),
        ),
        dev=dev,
    )
    found = {"told": told, "best": result.best_epoch, "log": [[e.step, e.name, e.value] for e in result.log.rows()]}
    (work / f"found-{rank}.json").write_text(json.dumps(found))
"""

slow = pytest.mark.slow


@dataclass(frozen=True)
class Outcome:
    """What one process of a run found."""

    folder: Path
    rank: str

    @property
    def gradients(self) -> dict[str, np.ndarray]:
        import torch

        return {name: value.numpy() for name, value in torch.load(self.folder / f"gradients-{self.rank}.pt").items()}

    @property
    def found(self) -> dict[str, Any]:
        return json.loads((self.folder / f"found-{self.rank}.json").read_text())

    @property
    def start(self) -> Path:
        return self.folder.parents[1] / "model"

    @property
    def model(self) -> Path:
        return self.folder / "model"


def encode(folder: Path) -> np.ndarray:
    from pyrite.models.sentence_encoder import SentenceEncoder

    return SentenceEncoder.load(folder, device="cpu").encode([f"w{i} w{i + 1}" for i in range(40)], "document")


@pytest.fixture(scope="module")
def outcomes(
    training_set: TrainingSet, texts: TrainingTexts, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], Outcome]:
    """Train everything in one process and in two, at the same time."""
    folder = tmp_path_factory.mktemp("processes")
    # Each process draws dropout for its own texts, and one process draws for all.
    model = write_transformer_model(folder / "model", [f"w{i}" for i in range(50)], dropout=0.0)
    groups = (replace(group, example_weight=i % 4 / 2) for i, group in enumerate(training_set.rows()))
    for table in (TrainingSet.from_rows(groups), texts.corpus, texts.queries):
        table.save(folder)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, str(folder), str(model), json.dumps(RUNS)]
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    environments = [{}, *({"RANK": rank, "LOCAL_RANK": rank, **launched} for rank in "01")]
    with ExitStack() as stack:
        logs = [stack.enter_context((folder / f"log-{place}").open("w+")) for place in range(3)]
        processes = [
            stack.enter_context(subprocess.Popen(command, env=os.environ | more, stderr=log))
            for more, log in zip(environments, logs, strict=True)
        ]
        stack.callback(lambda: [process.kill() for process in processes])
        codes = [process.wait(timeout=400) for process in processes]
    assert codes == [0, 0, 0], [(folder / f"log-{place}").read_text()[-3000:] for place in range(3)]
    return lambda name, rank: Outcome(folder / ("alone" if rank == "alone" else "two") / name, rank)


@slow
@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("rank", ["0", "1"])
def test_gradients_are_those_of_one_process(outcomes: Callable[..., Outcome], name: str, rank: str) -> None:
    expected, found = outcomes(name, "alone").gradients, outcomes(name, rank).gradients
    assert found.keys() == expected.keys()
    assert "learnt 0" in found
    scale = max(np.abs(gradient).max() for gradient in expected.values())
    for key in expected:
        assert np.abs(found[key] - expected[key]).max() < 1e-5 * scale, key


@slow
@pytest.mark.parametrize("rank", ["alone", "0"])
def test_cached_gradients_are_plain_gradients(outcomes: Callable[..., Outcome], rank: str) -> None:
    expected, found = outcomes("plain", "alone").gradients, outcomes("cached", rank).gradients
    scale = max(np.abs(gradient).max() for gradient in expected.values())
    assert max(np.abs(found[key] - expected[key]).max() for key in expected) < 1e-5 * scale


@slow
@pytest.mark.parametrize("name", RUNS)
def test_the_log_is_that_of_one_process(outcomes: Callable[..., Outcome], name: str) -> None:
    expected, *found = (outcomes(name, rank).found for rank in ("alone", "0", "1"))
    for other in found:
        assert other["best"] == expected["best"]
        assert [entry[:2] for entry in other["log"]] == [entry[:2] for entry in expected["log"]]
        for (*_, value), (_, fact, other_value) in zip(other["log"], expected["log"], strict=True):
            # Facts are means over the processes, whose shares are not quite alike.
            assert value == pytest.approx(other_value, rel=0.1 if fact.endswith("cosine") else 1e-3), fact


@slow
@pytest.mark.parametrize("name", RUNS)
def test_the_first_process_alone_measures_and_tells(outcomes: Callable[..., Outcome], name: str) -> None:
    expected = outcomes(name, "alone").found["told"]
    assert outcomes(name, "0").found["told"] == expected
    assert outcomes(name, "1").found["told"] == []


@slow
@pytest.mark.parametrize("name", RUNS)
def test_the_trained_vectors_are_those_of_one_process(outcomes: Callable[..., Outcome], name: str) -> None:
    alone = outcomes(name, "alone")
    start, expected, found = (encode(folder) for folder in (alone.start, alone.model, outcomes(name, "0").model))
    # Not the weights: Adam takes full steps along gradients that are 0 but for rounding, and no vector shows them.
    moved = np.abs(expected - start).max()
    assert moved > 1e-3
    assert np.abs(found - expected).max() < moved / 20


def test_shares_are_even_and_whole() -> None:
    shares = Processes(rank=1, size=3).shares(8)
    assert shares == [range(3), range(3, 6), range(6, 8)]
    assert Processes(rank=0, size=3).shares(1) == [range(1), range(1, 1), range(1, 1)]
    assert ALONE.shares(5) == [range(5)]
