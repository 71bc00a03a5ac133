"""The model card that a trained model carries: what it was trained from, with what, and how well."""

from __future__ import annotations

import importlib.metadata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pyrite.data import TrainingLog, TrainingSet
from pyrite.models.folder import ModelFolder
from pyrite.settings import Json
from pyrite.train.card_kinds import CardKind
from pyrite.train.job import TrainingResult, TrainingTexts

__all__ = ["CARD", "CardFacts", "add_to_card", "write_card"]

CARD = "README.md"
"""The card's file. It is prose: a model's fingerprint leaves it out."""

_TOLD = {
    "teacher": "Who gave the teacher's scores",
    "eci": "Effective Contrastive Information (ECI) of the negatives, taken before training",
}
"""What is told of a training set where its metadata have it, by the name there."""


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card is written from.

    Attributes:
        kind: What the model is.
        base: The folder of the untrained model.
        name: What the untrained model is called.
        training_set: The groups.
        texts: The corpus and the queries.
        settings: The trainer's: {"negatives": ..., perhaps "loss" or "objective": {"type": ...}, ...}.
        measured: Whether there was a dev function.
    """

    kind: CardKind
    base: Path
    name: str
    training_set: TrainingSet
    texts: TrainingTexts
    settings: dict[str, Any]
    measured: bool


def write_card(facts: CardFacts, result: TrainingResult) -> None:
    """Write the card into a trained model's folder, in place of the one that the untrained model had."""
    parts = [
        f"# A {facts.kind.noun}" + ("" if result.best_epoch else ", as it was before training"),
        _introduction(facts, result),
        f"```python\n{facts.kind.use}\n```",
        "## Training data",
        *_data(facts),
        "## Training",
        _learnt(facts.settings),
        _yaml(facts.settings),
        "## Results",
        *_results(facts, result),
        f"Trained with {_versions()}.",
    ]
    header = f"---\n{yaml.safe_dump(dict(facts.kind.header), sort_keys=False)}---\n\n"
    (result.folder / CARD).write_text(header + "\n\n".join(parts) + "\n", encoding="utf-8")


def add_to_card(folder: Path, title: str, text: str) -> None:
    """Put another section at the end of a model's card."""
    with (folder / CARD).open("a", encoding="utf-8") as stream:
        stream.write(f"\n## {title}\n\n{text}\n")


def _introduction(facts: CardFacts, result: TrainingResult) -> str:
    name = f"`{facts.name}` (content {ModelFolder(facts.base).fingerprint()[:12]})"
    if result.best_epoch == 0:
        return f"Training from {name} brought nothing on dev: these are its weights, unchanged."
    chosen = "the best on dev" if facts.measured else "the last"
    epoch = f"The weights are those after epoch {result.best_epoch}, {chosen}."
    return f"Trained from {name} to {facts.kind.purpose}. {epoch}"


def _learnt(settings: Mapping[str, Any]) -> str:
    """Return what was learnt from."""
    what = "objective" if "objective" in settings else "loss"
    if what not in settings:
        return "These are all settings of the training:"
    return f"The {what} is `{settings[what]['type']}`; these are all settings of the training:"


def _data(facts: CardFacts) -> Iterator[str]:
    groups = list(facts.training_set.rows())
    used = facts.settings["negatives"]
    counts = [min(len(group.negative_ids), used) for group in groups]
    yield _table(
        ["", "number", "content"],
        [
            ["queries", len(groups), facts.texts.queries.fingerprint()[:12]],
            ["documents in the corpus", len(facts.texts.corpus), facts.texts.corpus.fingerprint()[:12]],
            ["pairs of a query and a positive", sum(len(group.positive_ids) for group in groups), ""],
            ["mined negatives in use", sum(counts), facts.training_set.fingerprint()[:12]],
        ],
    )
    yield f"A query brings {min(counts)} to {max(counts)} mined negatives, {sum(counts) / len(counts):.1f} in the mean."
    yield _provenance(facts.training_set, used)
    weights = [group.example_weight for group in groups if group.example_weight is not None]
    if weights:
        span = f"from {min(weights):g} to {max(weights):g}"
        yield f"{len(weights)} of the {len(groups)} queries have a weight of their own, {span}; the others count once."
    for name, title in _TOLD.items():
        if name in facts.training_set.metadata:
            yield f"{title}:\n\n{_yaml(facts.training_set.metadata[name])}"


def _provenance(training_set: TrainingSet, used: int) -> str:
    sources: Counter[str] = Counter()
    for group in training_set.rows():
        count = min(len(group.negative_ids), used)
        known = group.sources or ((),) * len(group.negative_ids)
        sources.update(" and ".join(sorted(names)) or "unknown" for names in known[:count])
    if not sources:
        return "There are no mined negatives."
    shares = [[name, count, f"{count / sources.total():.1%}"] for name, count in sources.most_common()]
    return "What proposed the negatives:\n\n" + _table(["source", "negatives", "share"], shares)


def _results(facts: CardFacts, result: TrainingResult) -> Iterator[str]:
    losses, dev = _by_epoch(result.log, "epoch-loss"), _by_epoch(result.log, "dev")
    columns = ["epoch", "mean loss", *(["dev"] if facts.measured else []), "chosen"]
    rows = []
    for epoch in sorted({*losses, *dev}):
        values = [losses, dev] if facts.measured else [losses]
        cells = [f"{numbers[epoch]:.4f}" if epoch in numbers else "" for numbers in values]
        rows.append([epoch, *cells, "yes" if epoch == result.best_epoch else ""])
    yield _table(columns, rows)
    if facts.measured:
        yield "Epoch 0 is the untrained model. Dev chose the epoch: its value flatters the model."


def _by_epoch(log: TrainingLog, name: str) -> dict[int, float]:
    return {round(entry.epoch): entry.value for entry in log.rows() if entry.name == name}


def _yaml(value: Json) -> str:
    text = yaml.safe_dump(value, sort_keys=False)
    # YAML marks the end of a document that is a number alone.
    return "\n".join(["```yaml", text.removesuffix("...\n").strip(), "```"])


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def _versions() -> str:
    names = ("pyrite", "torch", "sentence-transformers", "transformers")
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
