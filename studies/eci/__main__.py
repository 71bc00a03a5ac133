"""Does a score of a set of negatives tell, without training, what training with it will bring?

Each collection's candidates are mined once; some fifty sets are drawn from them; WordLlama's static encoder is trained
with each set and seed, with and without the documents of the batch as negatives, and measured on the test queries of
its own collection and of the others. Each set is scored without training by both ECIs and by what they have to beat.
Rate, epochs and sizes are those of `tasks.Plan`, decided before. SciFact may be looked at while scores are thought out;
every other collection confirms.

Run with `python -m studies.eci`; `--size small` is a pilot of twelve sets and two seeds in minutes. Reads collections
from PYRITE_TEST_DATA (default ../shared/data), MiniLM and WordLlama from their wheels, and writes into PYRITE_CACHE
(default .cache/pyrite). What is done is not done again, however the command was ended; more seeds, sets, collections or
targets go on from what is there.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pyrite.models import CrossEncoderScorer
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.settings import canonical_hash
from studies.cross_encoder import ROOT
from studies.eci.analysis import Studied, analyse
from studies.eci.predictors import predict
from studies.eci.sets import SMALL, catalogue, make_sets
from studies.eci.store import Store
from studies.eci.tasks import Encoders, Plan, Task, read_task
from studies.eci.trainings import MODES, Series, run_trainings, untrained
from studies.eci.writing import write_all

__all__ = ["PLANS", "main", "study"]

PLANS = {
    "static": Plan(),
    "transformer": Plan(
        trainee="transformer",
        train_queries=300,
        test_queries=150,
        documents=1500,
        tokens=128,
        epochs=1,
        batch=16,
        learning_rate=2e-5,
    ),
}
"""{trainee: sizes}."""
_LOG = logging.getLogger("eci")


def study(task: Task, store: Store, series: Series, names: Sequence[str] | None, written: Path | None) -> Studied:
    """Make the sets of a collection, train with all of them, and score them.

    Args:
        task: The collection.
        store: Its candidates.
        series: What the trainings share.
        names: The sets wanted; None for all.
        written: A language model's negatives; see `make_sets`.
    """
    wanted = [one for one in catalogue(store.sources) if names is None or one.name in names]
    sets = make_sets(store, wanted, written)
    _LOG.info("%s: %d sets, %d training queries", task.name, len(sets), len(task.train_ids))
    predictions = predict(store, series.encoders, sets, cross_judges=False)
    reached = run_trainings(task, sets, series, store.folder / "trainings")
    before = untrained(series, store.folder / "untrained")
    return Studied(task.name, sets, predictions, reached, before, np.array(task.unseen()))


def _cross_encoder(folder: Path | None, plan: Plan, device: str) -> CrossEncoderScorer | None:
    if folder is None:
        return None
    settings = CrossEncoderSettings(
        model=str(folder), precision="bf16", max_length=plan.cross_tokens, scores="probability"
    )
    return CrossEncoderScorer.load(settings, device=device)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--collections", nargs="+", default=None, help="scifact, medquad, stdlib, or BEIR folders")
    parser.add_argument("--targets", nargs="+", default=None, help="whose test queries are asked; the collections")
    parser.add_argument("--size", choices=["full", "small"], default="full", help="small: 12 sets, 2 seeds, SciFact")
    parser.add_argument("--seeds", type=int, default=None, help="trainings of a set and mode; 5, small 2")
    parser.add_argument("--modes", nargs="+", choices=list(MODES), default=None, help="both; small: batch")
    parser.add_argument("--trainee", choices=list(PLANS), default="static")
    parser.add_argument("--cross-encoder", type=Path, help="a folder that `make cross-encoder` wrote, for more sets")
    parser.add_argument("--device", default="auto", help="where transformers compute")
    parser.add_argument("--rounds", type=int, default=1000, help="bootstrap samples")
    return parser.parse_args()


def main() -> None:
    """Run the study, and write what came out."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    options = _arguments()
    small = options.size == "small"
    names = options.collections or (["scifact"] if small else ["scifact", "medquad", "stdlib"])
    plan = PLANS[options.trainee]
    cross = _cross_encoder(options.cross_encoder, plan, options.device)
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    cache = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite")
    # Sets, seeds and targets are left out: more of them go on from what is there.
    folder = cache / f"eci-{options.trainee}-{canonical_hash(asdict(plan))[:12]}"
    encoders = Encoders.bring(folder, options.device, plan.tokens)
    tasks = {name: read_task(name, data, plan) for name in dict.fromkeys([*names, *(options.targets or names)])}
    series = Series(
        plan,
        encoders,
        seeds=options.seeds or (2 if small else 5),
        targets=list(tasks.values()),
        modes=options.modes or (["batch"] if small else list(MODES)),
    )
    studied = []
    for name in names:
        written = cache / "eci-llm" / f"{name}.jsonl"
        store = Store(tasks[name], plan, encoders, folder / tasks[name].key, cross)
        studied.append(study(tasks[name], store, series, SMALL if small else None, written))
        results = folder / f"results-{options.size}"
        write_all(studied, analyse(studied, rounds=options.rounds), results)
        _LOG.info("%s: done; tables, plots and summary.md are in %s", name, results)


if __name__ == "__main__":
    main()
