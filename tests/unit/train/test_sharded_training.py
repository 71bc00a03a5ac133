"""A model sharded over two processes by torch's FSDP, connected by gloo: the gradients are those of one process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pyrite.data import TrainingSet
from pyrite.testing.models import write_transformer_model
from pyrite.train import TrainingTexts

pytestmark = pytest.mark.slow

# argv: the folder of the inputs, the model.
PROGRAM = """
import sys
from pathlib import Path
import torch
from sentence_transformers import SentenceTransformer
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from pyrite.data import Corpus, Queries, TrainingSet
from pyrite.train import TrainingJob, TrainingTexts
from pyrite.train.batches import BatchPlan
from pyrite.train.examples import resolve
from pyrite.train.learnt import Learnt
from pyrite.train.losses import InfoNCE
from pyrite.train.processes import ALONE, Processes
from pyrite.train.task import TrainingTask
from pyrite.train.text_batches import BatchLoss, Collator
from pyrite.train.trackers import Trackers

torch.set_num_threads(1)
inputs, folder = Path(sys.argv[1]), Path(sys.argv[2])
texts = TrainingTexts(Corpus.open(inputs), Queries.open(inputs))
examples = resolve(TrainingSet.open(inputs), texts, 4)

def gradients(processes, tokens):
    model = SentenceTransformer(str(folder), device="cpu").train()
    sharded = processes.size > 1
    if sharded:
        mesh = init_device_mesh("cpu", (processes.size,))
        for module in model.modules():
            if type(module).__name__ == "BertLayer":
                fully_shard(module, mesh=mesh)
        fully_shard(model, mesh=mesh)
    task = TrainingTask(
        folder, examples, BatchPlan([], []), "", "", TrainingJob(inputs, mini_batch_tokens=tokens), None, "", None,
        Trackers((), inputs, None), processes,
    )
    loss = InfoNCE(learn_temperature=True, directions="both")
    module = BatchLoss(model, loss, Learnt(loss, "cpu"), task)
    module.lockstep = sharded
    module(Collator(task, model, None)(range(9))).backward()
    found = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    return {name: grad.full_tensor() if sharded else grad for name, grad in found.items()}

processes = Processes.join()
expected = gradients(ALONE, None)
scale = max(grad.abs().max() for grad in expected.values())
for tokens in (None, 24):
    found = gradients(processes, tokens)
    assert found.keys() == expected.keys()
    worst = max((found[name] - expected[name]).abs().max() for name in expected) / scale
    assert worst < 1e-5, (tokens, worst)
"""


def test_gradients_of_a_sharded_model_are_those_of_one_process(
    training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    model = write_transformer_model(tmp_path / "model", [f"w{i}" for i in range(50)], dropout=0.0)
    for table in (training_set, texts.corpus, texts.queries):
        table.save(tmp_path)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    launched = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(model)]
    logs = [(tmp_path / f"log-{rank}").open("w+") for rank in range(2)]
    processes = [
        subprocess.Popen(command, env=os.environ | launched | {"RANK": rank, "LOCAL_RANK": rank}, stderr=log)
        for rank, log in zip("01", logs, strict=True)
    ]
    try:
        codes = [process.wait(timeout=300) for process in processes]
    finally:
        for process, log in zip(processes, logs, strict=True):
            process.kill()
            process.wait()
            log.close()
    assert codes == [0, 0], [(tmp_path / f"log-{rank}").read_text()[-3000:] for rank in range(2)]
