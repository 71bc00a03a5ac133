"""A reranker learns, is chosen on dev, and goes on after a kill to the same weights, bit by bit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pyrite.data import Corpus, Document, Queries, Query, TrainingGroup, TrainingSet
from pyrite.errors import DataError, ModelError, SettingsError
from pyrite.models.cross_encoder import CrossEncoderScorer
from pyrite.models.folder import ModelFolder
from pyrite.models.scorer_settings import CrossEncoderSettings, YesNoSettings
from pyrite.models.yes_no import YesNoScorer
from pyrite.testing.models import write_causal_model, write_cross_encoder, write_transformer_model
from pyrite.train import LoraSettings, RerankerTrainer, TrainingJob, TrainingResult, TrainingTexts, train_reranker
from pyrite.train.reranker import optimised
from pyrite.train.reranker.objectives import (
    BinaryCrossEntropy,
    Dice,
    Distillation,
    Listwise,
    MarginMSE,
    Objective,
    PairAndList,
)

Start = CrossEncoderSettings | YesNoSettings
WORDS = ["gold", *(f"w{i}" for i in range(50))]
PLAIN = RerankerTrainer(batch_size=8, epochs=2, learning_rate=0.01)
CROSS, CAUSAL = "cross", "causal"


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Start]:
    cross = write_cross_encoder(tmp_path_factory.mktemp("cross"), WORDS)
    causal = write_causal_model(tmp_path_factory.mktemp("causal"), [*WORDS, "a b c d e Answer Query Document :"])
    named = YesNoSettings(model=str(causal), template="{query} : {document}", yes=("yes",), no=("no",), max_length=40)
    return {CROSS: CrossEncoderSettings(model=str(cross)), CAUSAL: named}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """Several threads on models this small do nothing but wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def texts() -> TrainingTexts:
    """40 queries and 80 documents of 5 words; the even documents, which are the positives, begin with gold."""
    draw = np.random.default_rng(1)
    words = [" ".join(f"w{j}" for j in draw.integers(0, 50, 5)) for _ in range(120)]
    documents = [Document(f"d{i}", ("gold " if i % 2 == 0 else "") + words[i]) for i in range(80)]
    return TrainingTexts(
        Corpus.from_rows(documents), Queries.from_rows(Query(f"q{i}", words[80 + i]) for i in range(40))
    )


@pytest.fixture(scope="module")
def groups() -> TrainingSet:
    """A group for each query: two negatives, one for every third. 40 pairs, so that 8 in a batch make 5 steps."""
    return TrainingSet.from_rows(
        TrainingGroup(f"q{i}", (f"d{2 * i}",), (f"d{2 * i + 1}", f"d{(2 * i + 7) % 80}")[: 1 + (i % 3 > 0)])
        for i in range(40)
    )


@pytest.fixture(scope="module")
def taught(groups: TrainingSet) -> TrainingSet:
    """The groups with a teacher that prefers the positive, and did not look at the last of two negatives."""
    return TrainingSet.from_rows(
        TrainingGroup(row.query_id, row.positive_ids, row.negative_ids, teacher_scores=(2.0, *_scores(row)))
        for row in groups.rows()
    )


def _scores(row: TrainingGroup) -> tuple[float | None, ...]:
    return (-1.0, None)[: len(row.negative_ids)]


@pytest.fixture
def call(starts: dict[str, Start], taught: TrainingSet, texts: TrainingTexts, tmp_path: Path) -> Callable[..., Any]:
    def train(name: str, settings: RerankerTrainer = PLAIN, start: str = CROSS, **others: Any) -> TrainingResult:
        dev = others.pop("dev", None)
        job = TrainingJob(tmp_path / name, device="cpu", **others)
        return train_reranker(starts[start], taught, texts, settings, job=job, dev=dev)

    return train


def losses(result: TrainingResult) -> list[float]:
    return [entry.value for entry in result.log.rows() if entry.name == "epoch-loss"]


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("objective", "start"),
    [
        (PLAIN.objective, CROSS),
        (BinaryCrossEntropy(), CROSS),
        (Listwise(), CROSS),
        (Dice(), CROSS),
        (MarginMSE(), CROSS),
        (Distillation(), CROSS),
        (PLAIN.objective, CAUSAL),
        (PairAndList(list_template="{query} : {documents} Answer :"), CAUSAL),
    ],
    ids=lambda one: one if isinstance(one, str) else one.type,
)
def test_every_objective_is_learnt(call: Callable[..., Any], objective: Objective, start: str) -> None:
    result = call("work", PLAIN.model_copy(update={"objective": objective, "epochs": 4}), start)
    assert losses(result)[-1] < 0.9 * losses(result)[0]
    assert result.best_epoch == 4


@pytest.mark.parametrize("start", [CROSS, CAUSAL])
def test_the_trained_folder_scores_positives_higher(
    call: Callable[..., Any], starts: dict[str, Start], texts: TrainingTexts, start: str
) -> None:
    result = call("work", PLAIN.model_copy(update={"epochs": 6, "max_length": 24}), start)
    query, documents = texts.queries.texts()[0], texts.corpus.texts()
    named = starts[start].model_copy(update={"model": str(result.folder)})
    scorer: Any = CrossEncoderScorer.load(named, device="cpu") if start == CROSS else YesNoScorer.load(named)
    positives, others = (scorer.score([(query, text) for text in documents[first::2]]) for first in (0, 1))
    assert np.mean(positives[:, None] > others[None, :]) > 0.8
    if start == CROSS:
        assert scorer.identity()["max_length"] == 24


@pytest.mark.parametrize("step", range(1, 11))
def test_a_kill_at_any_step_changes_no_bit(call: Callable[..., Any], weights: Any, step: int) -> None:
    def killed(done: int, steps: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    whole = call("whole", checkpoint_steps=3)
    torch.manual_seed(step)  # what ran before does not matter
    with pytest.raises(KeyboardInterrupt):
        call("killed", checkpoint_steps=3, on_step=killed)
    steps: list[int] = []
    resumed = call("killed", checkpoint_steps=3, on_step=lambda done, _: steps.append(done))
    # A checkpoint each three steps, and at the end of the epoch of five.
    assert steps == list(range(1 + max(done for done in (0, 3, 5, 6, 9, 10) if done <= step), 11))
    assert ModelFolder(whole.folder).fingerprint() == ModelFolder(resumed.folder).fingerprint()
    assert same(weights(whole.folder), weights(resumed.folder))
    assert list(whole.log.rows()) == list(resumed.log.rows())


def test_a_language_model_survives_a_kill_with_its_shuffled_lists(call: Callable[..., Any], weights: Any) -> None:
    settings = PLAIN.model_copy(update={"objective": PairAndList(list_template="{query} {documents} :")})

    def killed(done: int, steps: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = call("whole", settings, CAUSAL)
    with pytest.raises(KeyboardInterrupt):
        call("killed", settings, CAUSAL, checkpoint_steps=3, on_step=killed)
    assert same(weights(whole.folder), weights(call("killed", settings, CAUSAL, checkpoint_steps=3).folder))


def test_training_leaves_torchs_randomness_alone(call: Callable[..., Any]) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    call("work", PLAIN.model_copy(update={"epochs": 1}))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_best_epoch_on_dev_is_kept_and_patience_ends_it(call: Callable[..., Any], weights: Any) -> None:
    values = iter([0.1, 0.5, 0.4, 0.3, 0.9])
    settings = PLAIN.model_copy(update={"epochs": 4, "patience": 2})
    stopped = call("stopped", settings, dev=lambda folder: next(values))
    assert (stopped.best_epoch, len(losses(stopped))) == (1, 3)
    # The schedule is that of four epochs, so a training of one would be another; the first checkpoint tells.
    values = iter([0.1, 0.5, 0.4, 0.3, 0.2])
    whole = call("whole", PLAIN.model_copy(update={"epochs": 4}), dev=lambda folder: next(values))
    assert (whole.best_epoch, len(losses(whole))) == (1, 4)
    assert same(weights(stopped.folder), weights(whole.folder))
    # Asked again, nothing is done again.
    again = call("stopped", settings, dev=lambda folder: pytest.fail("it measures"))
    assert list(again.log.rows()) == list(stopped.log.rows())


def test_where_no_epoch_is_better_the_start_comes_back(
    call: Callable[..., Any], starts: dict[str, Start], weights: Any
) -> None:
    values = iter([0.5, 0.5, 0.5])
    result = call("work", dev=lambda folder: next(values))
    assert result.best_epoch == 0
    assert same(weights(result.folder), weights(Path(starts[CROSS].model)))


def test_an_encoder_gets_a_head_that_the_seed_decides(
    taught: TrainingSet, texts: TrainingTexts, weights: Any, tmp_path: Path
) -> None:
    start = CrossEncoderSettings(model=str(write_transformer_model(tmp_path / "encoder", WORDS)), max_length=24)

    def first(name: str, seed: int) -> dict[str, np.ndarray]:
        settings = PLAIN.model_copy(update={"epochs": 1, "seed": seed})
        job = TrainingJob(tmp_path / name, device="cpu")
        result = train_reranker(start, taught, texts, settings, job=job)
        CrossEncoderScorer.load(result.folder, device="cpu")
        return weights(tmp_path / name / "start")

    assert same(first("a", 0), first("b", 0))
    assert not same(first("a", 0), first("c", 1))


def test_bf16_computes_in_16_bits_and_keeps_weights_in_32(call: Callable[..., Any], weights: Any) -> None:
    half, whole = (call(name, PLAIN.model_copy(update={"precision": name})) for name in ("bf16", "fp32"))
    assert {tensor.dtype for tensor in weights(half.folder).values()} == {np.dtype(np.float32)}
    assert not same(weights(half.folder), weights(whole.folder))


@pytest.mark.parametrize("start", [CROSS, CAUSAL])
def test_adapters_are_trained_and_merged_into_what_is_saved(
    call: Callable[..., Any], starts: dict[str, Start], weights: Any, start: str
) -> None:
    settings = PLAIN.model_copy(update={"lora": LoraSettings(rank=2), "learning_rate": 0.005, "epochs": 4})
    result = call("work", settings, start)
    before, after = weights(Path(starts[start].model)), weights(result.folder)
    assert before.keys() == after.keys()
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert any("attention" in name or "attn" in name for name in changed)
    assert not any("embed" in name.lower() or "norm" in name.lower() for name in changed)
    assert losses(result)[-1] < losses(result)[0]
    if start == CROSS:
        assert {"classifier.weight", "classifier.bias"} <= changed

    def killed(done: int, steps: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call("killed", settings, start, checkpoint_steps=3, on_step=killed)
    assert same(weights(call("killed", settings, start, checkpoint_steps=3).folder), after)


def test_activations_computed_again_change_nothing(call: Callable[..., Any], weights: Any) -> None:
    again, kept = (
        call(str(flag), PLAIN.model_copy(update={"epochs": 1, "gradient_checkpointing": flag}), CAUSAL)
        for flag in (True, False)
    )
    assert same(weights(again.folder), weights(kept.folder))


class Stopped(BaseException):
    """Ends a training at its first step."""


@pytest.fixture
def gradients(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[torch.Tensor]]:
    """The gradients of the first step: Adam would take full steps along those that are 0 but for rounding."""
    found: list[torch.Tensor] = []

    def step(self: torch.optim.AdamW, *_: Any) -> None:
        found.extend(part.grad.clone() for group in self.param_groups for part in group["params"])
        raise Stopped

    def first(name: str, settings: RerankerTrainer, start: str, **job: Any) -> list[torch.Tensor]:
        found.clear()
        with monkeypatch.context() as patched:
            patched.setattr(torch.optim.AdamW, "step", step)
            with pytest.raises(Stopped):
                call(name, settings, start, **job)
        assert max(gradient.abs().max() for gradient in found) > 1e-4
        return list(found)

    return first


each_way = pytest.mark.parametrize(
    ("objective", "start"),
    [(PLAIN.objective, CROSS), (Dice(), CROSS), (PairAndList(list_template="{query} : {documents} Answer :"), CAUSAL)],
    ids=lambda one: one if isinstance(one, str) else one.type,
)


def close(found: list[torch.Tensor], expected: list[torch.Tensor]) -> bool:
    scale = max(gradient.abs().max() for gradient in expected)
    return all((a - b).abs().max() < 1e-5 * scale for a, b in zip(found, expected, strict=True))


@each_way
def test_mini_batches_have_the_gradient_of_the_batch(
    gradients: Callable[..., Any], starts: dict[str, Start], tmp_path: Path, objective: Objective, start: str
) -> None:
    still = tmp_path / "still"  # without dropout, which draws anew for each mini-batch
    shutil.copytree(starts[start].model, still)
    config = json.loads((still / "config.json").read_text())
    dropouts = {name: 0.0 for name in config if "dropout" in name}
    (still / "config.json").write_text(json.dumps(config | dropouts))
    starts[still.name] = starts[start].model_copy(update={"model": str(still)})
    settings = PLAIN.model_copy(update={"objective": objective})
    whole = gradients("whole", settings, still.name)
    for tokens in (1, 40, 100):
        assert close(gradients(f"by {tokens}", settings, still.name, mini_batch_tokens=tokens), whole)
    starts.pop(still.name)


@each_way
def test_both_passes_of_a_mini_batch_draw_the_same_dropout(
    gradients: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, objective: Objective, start: str
) -> None:
    sizes: list[int] = []

    def at_once(compute: Any, parts: Any) -> torch.Tensor:
        sizes.extend(part["attention_mask"].numel() for part in parts)
        return torch.cat([compute(part) for part in parts])

    settings = PLAIN.model_copy(update={"objective": objective})
    cached = gradients("cached", settings, start, mini_batch_tokens=60)
    monkeypatch.setattr(optimised, "cached_vectors", at_once)
    assert close(gradients("at once", settings, start, mini_batch_tokens=60), cached)
    assert len(sizes) > 2
    assert max(sizes) <= 60


def test_a_kill_between_mini_batches_changes_no_bit(call: Callable[..., Any], weights: Any) -> None:
    def killed(done: int, steps: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    whole = call("whole", checkpoint_steps=3, mini_batch_tokens=60)
    with pytest.raises(KeyboardInterrupt):
        call("killed", checkpoint_steps=3, mini_batch_tokens=60, on_step=killed)
    assert same(weights(call("killed", checkpoint_steps=3, mini_batch_tokens=60).folder), weights(whole.folder))


def test_what_does_not_fit_is_said(
    call: Callable[..., Any], starts: dict[str, Start], groups: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    def objective(one: Objective, **others: Any) -> RerankerTrainer:
        return PLAIN.model_copy(update={"objective": one, **others})

    with pytest.raises(SettingsError, match=r"pair-and-list asks a language model.*'cross-encoder'"):
        call("a", objective(PairAndList()))
    with pytest.raises(SettingsError, match=r"25 negatives at most"):
        call("a", objective(PairAndList(), negatives=26), CAUSAL)
    with pytest.raises(SettingsError, match=r"a reranker is saved merged"):
        call("a", PLAIN.model_copy(update={"lora": LoraSettings(export="adapter")}))
    with pytest.raises(SettingsError, match=r"max_length: 65 is more than the 64 tokens"):
        call("length", PLAIN.model_copy(update={"max_length": 65}))
    with pytest.raises(SettingsError, match=r"patience: without dev"):
        call("a", PLAIN.model_copy(update={"patience": 1}))
    with pytest.raises(SettingsError, match=r"no negatives to learn from"):
        call("a", PLAIN.model_copy(update={"negatives": 0}))
    job = TrainingJob(tmp_path / "b", device="cpu")
    with pytest.raises(DataError, match=r"distillation wants a teacher's scores.*teacher-scores adds them"):
        train_reranker(starts[CROSS], groups, texts, objective(Distillation()), job=job)
    assert not (tmp_path / "b").exists()
    call("c")
    with pytest.raises(ModelError, match="another training"):
        call("c", PLAIN.model_copy(update={"epochs": 3}))


def test_a_killed_try_of_another_model_leaves_nothing_behind(
    call: Callable[..., Any], starts: dict[str, Start], weights: Callable[[Path], Any], tmp_path: Path
) -> None:
    def kill(done: int, _: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call("work", on_step=kill)
    starts["other"] = CrossEncoderSettings(model=str(write_cross_encoder(tmp_path / "other", WORDS, seed=7)))
    # Training never helps, so that the untrained model comes back.
    values = iter((0.9, 0.1, 0.1))
    result = call("work", start="other", dev=lambda _: next(values))
    assert result.best_epoch == 0
    assert same(weights(result.folder), weights(tmp_path / "other"))
