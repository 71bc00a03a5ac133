"""The small pipeline and the files that it reads, for tests and for the processes that they start."""

from __future__ import annotations

import json
from pathlib import Path

from pyrite.data import TrainingGroup, TrainingSet
from pyrite.data.formats import GplLayout, TrainingParts, write_beir, write_run, write_training_set
from pyrite.pipeline.store import Store
from pyrite.search import LexicalRetriever
from pyrite.testing.models import write_cross_encoder, write_static_model
from pyrite.testing.tiny import tiny_collection

PIPELINE = Path(__file__).with_name("small.yaml")
STEPS = 47


def write_inputs(folder: Path) -> None:
    """Write the tiny collection as a BEIR folder, models of its words, and a file that GPL would train on."""
    tiny = tiny_collection()
    texts = [*tiny.corpus.texts(), *tiny.queries.texts()]
    write_beir(tiny, folder / "tiny")
    write_static_model(folder / "words", texts)
    write_cross_encoder(folder / "cross", texts)
    write_run(LexicalRetriever().build(tiny.corpus).search(tiny.queries, 4), folder / "elsewhere.run", tag="elastic")
    mined = TrainingSet.from_rows([TrainingGroup("q06", ("ruby",), ("sapphire",), margins=(0.5,))])
    write_training_set(TrainingParts(tiny.corpus, tiny.queries, mined), folder / "mined.tsv", GplLayout())


def fingerprints(store: Store) -> dict[str, str]:
    """Return {STEP.OUTPUT: fingerprint} of all that a store holds."""
    return {
        f"{entry.manifest.step}.{name}": output.fingerprint
        for entry in store.entries()
        for name, output in entry.manifest.outputs.items()
    }


def fingerprints_of_run(folder: Path) -> dict[str, str]:
    """Return {STEP.OUTPUT: fingerprint} of what the latest run of a working folder made or found."""
    store = Store(folder / ".pyrite" / "store")
    record = json.loads((folder / "runs" / "latest" / "run.json").read_text())
    steps = [(step["id"], store.find(step["kind"], step["key"])) for step in record["steps"]]
    return {
        f"{step_id}.{name}": output.fingerprint
        for step_id, entry in steps
        if entry is not None
        for name, output in entry.manifest.outputs.items()
    }
