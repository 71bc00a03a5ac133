"""What `train` promises whichever encoder it trains. Each test runs for both."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.data import Document, TrainingGroup, TrainingSet
from pyrite.errors import DataError, ModelError, SettingsError
from pyrite.models.folder import ModelFolder
from pyrite.train import (
    Dev,
    StaticTrainer,
    TrainingJob,
    TrainingResult,
    TrainingTexts,
    TransformerTrainer,
    checkpoint,
    train,
)
from pyrite.train.losses import InfoNCE

# 40 pairs: 5 steps an epoch.
SETTINGS = {
    "static": StaticTrainer(batch_size=8, epochs=3, learning_rate=0.05),
    "transformer": TransformerTrainer(batch_size=8, epochs=3, learning_rate=1e-3),
}
# Untrained, then epochs 1 to 3: the second is the best.
VALUES = (0.1, 0.3, 0.6, 0.6)


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


@pytest.fixture(params=["static", "transformer"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(kind: str, static_model: Path, transformer_model: Path) -> Path:
    return static_model if kind == "static" else transformer_model


@pytest.fixture
def run(
    kind: str, model: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> Callable[..., TrainingResult]:
    """Train in a folder of the test's own."""

    def call(
        workdir: str = "work",
        dev: Dev | None = None,
        settings: Any = None,
        start: Path = model,
        groups: TrainingSet = training_set,
        **job: Any,
    ) -> TrainingResult:
        job = {"device": "cpu", **job}
        return train(
            start,
            groups,
            texts,
            settings or SETTINGS[kind],
            prompts={},
            job=TrainingJob(tmp_path / workdir, **job),
            dev=dev,
        )

    return call


def dev_of_weights(values: tuple[float, ...] = VALUES) -> Dev:
    """A dev function that knows an epoch by its weights, so that a resumed training gets the same values.

    It draws random numbers as well, as loading a model may: that must not move the training's.
    """
    seen: list[str] = []

    def dev(folder: Path) -> float:
        import torch

        torch.rand(3)
        np.random.rand(3)
        content = ModelFolder.open(folder).fingerprint()
        if content not in seen:
            seen.append(content)
        return values[seen.index(content)]

    return dev


def entries(result: TrainingResult, name: str) -> list[tuple[int, float, float]]:
    return [(e.step, e.epoch, e.value) for e in result.log.rows() if e.name == name]


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_the_loss_falls(run: Callable[..., TrainingResult], kind: str) -> None:
    longer = SETTINGS[kind].model_copy(update={"epochs": 8, "learning_rate": 0.1 if kind == "static" else 0.003})
    losses = [value for _, _, value in entries(run(settings=longer), "epoch-loss")]
    assert len(losses) == 8
    assert losses[-1] < 0.8 * losses[0]


def test_sentence_transformers_loads_the_result(run: Callable[..., TrainingResult], model: Path, weights: Any) -> None:
    from sentence_transformers import SentenceTransformer

    result = run()
    before = SentenceTransformer(str(model), device="cpu").encode(["w1 w2", "w3"], show_progress_bar=False)
    after = SentenceTransformer(str(result.folder), device="cpu").encode(["w1 w2", "w3"], show_progress_bar=False)
    assert before.shape == after.shape
    assert np.abs(before - after).max() > 1e-4
    names = {file.name for file in model.iterdir()} | {"README.md"}
    assert {file.name for file in result.folder.iterdir()} == names


def test_the_untrained_model_is_only_read(run: Callable[..., TrainingResult], model: Path) -> None:
    before = ModelFolder.open(model).fingerprint()
    run(dev=dev_of_weights())
    assert ModelFolder.open(model).fingerprint() == before


def test_two_runs_agree_bit_by_bit(run: Callable[..., TrainingResult], weights: Any) -> None:
    first, second = run("first"), run("second")
    assert same(weights(first.folder), weights(second.folder))
    assert first.log.fingerprint() == second.log.fingerprint()


def test_another_seed_gives_another_model(run: Callable[..., TrainingResult], weights: Any, kind: str) -> None:
    other = SETTINGS[kind].model_copy(update={"seed": 1})
    assert not same(weights(run("first").folder), weights(run("second", settings=other).folder))


def test_examples_that_count_alike_count_once(
    run: Callable[..., TrainingResult], training_set: TrainingSet, weights: Any
) -> None:
    def counted(*counts: float) -> TrainingSet:
        rows = enumerate(training_set.rows())
        return TrainingSet.from_rows(replace(row, example_weight=counts[i % len(counts)]) for i, row in rows)

    plain, alike, unlike = (
        weights(run(name, groups=groups).folder)
        for name, groups in (("plain", training_set), ("alike", counted(0.3)), ("unlike", counted(0.3, 1.0)))
    )
    assert same(plain, alike)
    assert not same(plain, unlike)


def test_the_log_tells_steps_and_epochs(run: Callable[..., TrainingResult]) -> None:
    result = run(dev=dev_of_weights())
    assert [(step, epoch) for step, epoch, _ in entries(result, "epoch-loss")] == [(5, 1.0), (10, 2.0), (15, 3.0)]
    assert entries(result, "dev") == [(0, 0.0, 0.1), (5, 1.0, 0.3), (10, 2.0, 0.6), (15, 3.0, 0.6)]
    assert [step for step, _, _ in entries(result, "loss")] == [10]
    assert all(value > 0 for _, _, value in entries(result, "gradient-norm"))


def test_the_learning_rate_is_the_settings(run: Callable[..., TrainingResult], kind: str) -> None:
    (_, _, rate) = entries(run(), "learning-rate")[0]
    assert rate == pytest.approx(SETTINGS[kind].rate(10, 15))


def test_the_best_epoch_is_returned_and_ties_go_to_the_earlier(
    run: Callable[..., TrainingResult], weights: Any, kind: str
) -> None:
    seen: list[dict[str, np.ndarray]] = []
    values = iter(VALUES)

    def dev(folder: Path) -> float:
        seen.append(weights(folder))
        return next(values)

    result = run(dev=dev)
    assert result.best_epoch == 2
    assert same(weights(result.folder), seen[2])
    assert not same(weights(result.folder), seen[3])


def test_where_training_only_hurts_the_untrained_model_comes_back(
    run: Callable[..., TrainingResult], model: Path
) -> None:
    result = run(dev=dev_of_weights((0.5, 0.4, 0.3, 0.2)))
    assert result.best_epoch == 0
    assert ModelFolder.open(result.folder).fingerprint() == ModelFolder.open(model).fingerprint()


def test_dev_may_return_a_number_of_numpy(run: Callable[..., TrainingResult]) -> None:
    assert run(dev=lambda folder: np.float32(0.5)).best_epoch == 0


def test_without_dev_the_last_epoch_is_returned(run: Callable[..., TrainingResult]) -> None:
    result = run()
    assert result.best_epoch == 3
    assert entries(result, "dev") == []


def test_the_job_is_told_of_steps_and_checkpoints(run: Callable[..., TrainingResult]) -> None:
    told: list[Any] = []
    run(on_step=lambda done, steps: told.append((done, steps)), on_checkpoint=lambda: told.append("saved"))
    assert [item for item in told if item != "saved"] == [(step, 15) for step in range(1, 16)]
    assert [place for place, item in enumerate(told) if item == "saved"] == [5, 11, 17]


@dataclass(frozen=True)
class Whole:
    """A training that nothing interrupts, and the dev function that measured it."""

    result: TrainingResult
    tensors: dict[str, np.ndarray]
    dev: Dev

    def equals(self, result: TrainingResult, tensors: dict[str, np.ndarray]) -> bool:
        same_log = result.log.fingerprint() == self.result.log.fingerprint()
        return same_log and result.best_epoch == self.result.best_epoch and same(tensors, self.tensors)


@pytest.fixture(scope="module")
def whole_runs() -> dict[str, Whole]:
    return {}


@pytest.fixture
def whole(whole_runs: dict[str, Whole], run: Callable[..., TrainingResult], weights: Any, kind: str) -> Whole:
    if kind not in whole_runs:
        dev = dev_of_weights()
        result = run("whole", dev=dev, checkpoint_steps=4)
        whole_runs[kind] = Whole(result, weights(result.folder), dev)
    return whole_runs[kind]


@pytest.mark.parametrize("killed_at", [1, 5, 7, 12])
def test_killed_after_a_step_it_ends_as_if_nothing_happened(
    run: Callable[..., TrainingResult], weights: Any, killed_at: int, whole: Whole
) -> None:
    steps: list[int] = []

    def kill(done: int, _: int) -> None:
        if done == killed_at:
            raise Killed

    with pytest.raises(Killed):
        run(dev=whole.dev, checkpoint_steps=4, on_step=kill)
    resumed = run(dev=whole.dev, checkpoint_steps=4, on_step=lambda done, _: steps.append(done))
    last = max((step for step in (4, 5, 8, 10, 12, 15) if step <= killed_at), default=0)
    assert steps == list(range(last + 1, 16))
    assert whole.equals(resumed, weights(resumed.folder))


@pytest.mark.parametrize("writes", [1, 5, 18])
def test_killed_while_saving_it_ends_as_if_nothing_happened(
    run: Callable[..., TrainingResult], weights: Any, writes: int, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0
    flush = checkpoint._flush_and_hash

    def flush_some(file: Path) -> str:
        nonlocal count
        count += 1
        if count == writes:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            raise Killed
        return flush(file)

    monkeypatch.setattr(checkpoint, "_flush_and_hash", flush_some)
    with pytest.raises(Killed):
        run(dev=whole.dev, checkpoint_steps=4)
    resumed = run(dev=whole.dev, checkpoint_steps=4)
    assert whole.equals(resumed, weights(resumed.folder))


def test_a_checkpoint_without_its_optimizer_is_not_resumed_from(
    run: Callable[..., TrainingResult], weights: Any, whole: Whole, tmp_path: Path, kind: str
) -> None:
    steps: list[int] = []

    def kill(done: int, _: int) -> None:
        if done == 8:
            raise Killed

    with pytest.raises(Killed):
        run(dev=whole.dev, checkpoint_steps=4, on_step=kill)
    (tmp_path / "work/checkpoints/step-8" / ("state.pt" if kind == "static" else "optimizer.pt")).unlink()
    resumed = run(dev=whole.dev, checkpoint_steps=4, on_step=lambda done, _: steps.append(done))
    assert steps[0] == 6
    assert whole.equals(resumed, weights(resumed.folder))


@pytest.mark.parametrize("damage", ["lost", "truncated"])
def test_without_the_best_epochs_checkpoint_it_starts_anew(
    run: Callable[..., TrainingResult], weights: Any, tmp_path: Path, kind: str, damage: str
) -> None:
    values = (0.1, 0.9, 0.2, 0.2)

    def kill(done: int, _: int) -> None:
        if done == 11:
            raise Killed

    with pytest.raises(Killed):
        run(dev=dev_of_weights(values), checkpoint_steps=4, on_step=kill)
    best = tmp_path / "work/checkpoints/step-5"
    file = best / ("state.pt" if kind == "static" else "model.safetensors")
    if damage == "lost":
        shutil.rmtree(best)
    else:
        file.write_bytes(file.read_bytes()[:-8])
    resumed, whole = (run(name, dev=dev_of_weights(values), checkpoint_steps=4) for name in ("work", "whole"))
    assert (resumed.best_epoch, whole.best_epoch) == (1, 1)
    assert same(weights(resumed.folder), weights(whole.folder))


def test_a_checkpoint_that_is_lost_meanwhile_is_named(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    def lose(done: int, _: int) -> None:
        if done == 11:
            shutil.rmtree(tmp_path / "work/checkpoints/step-5")

    with pytest.raises(ModelError, match="step-5: the checkpoint of the best epoch was lost"):
        run(dev=dev_of_weights((0.1, 0.9, 0.2, 0.2)), on_step=lose)


def test_a_finished_training_is_not_done_again(run: Callable[..., TrainingResult], weights: Any) -> None:
    steps: list[int] = []
    first = weights(run(dev=dev_of_weights()).folder)
    again = run(dev=dev_of_weights(), on_step=lambda done, _: steps.append(done))
    assert steps == []
    assert same(weights(again.folder), first)
    assert again.best_epoch == 2


def test_few_checkpoints_are_kept(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run(dev=dev_of_weights((0.1, 0.9, 0.2, 0.2)), checkpoint_steps=4)
    names = sorted(folder.name for folder in (tmp_path / "work/checkpoints").iterdir())
    assert names == ["step-12", "step-15", "step-5"]


def test_a_working_folder_of_another_training_is_refused(run: Callable[..., TrainingResult], kind: str) -> None:
    run()
    with pytest.raises(ModelError, match="another training"):
        run(settings=SETTINGS[kind].model_copy(update={"loss": InfoNCE(temperature=0.1)}))


def test_prompts_stand_before_the_texts(
    kind: str, model: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path, weights: Any
) -> None:
    """Prompts give the model of texts that carry them already."""
    prefixed = TrainingTexts(
        type(texts.corpus).from_rows(Document(d.doc_id, "w1 w2 " + d.text) for d in texts.corpus.rows()),
        type(texts.queries).from_columns(
            query_id=texts.queries.ids(),
            text=["w3 " + text for text in texts.queries.texts()],
            origin=["given"] * 40,
            seed_doc_id=[None] * 40,
        ),
    )
    folders = [
        train(model, training_set, given, SETTINGS[kind], prompts=prompts, job=TrainingJob(tmp_path / name)).folder
        for name, given, prompts in (
            ("prompts", texts, {"query": "w3 ", "document": "w1 w2 "}),
            ("texts", prefixed, {}),
            ("neither", texts, {}),
        )
    ]
    assert same(weights(folders[0]), weights(folders[1]))
    assert not same(weights(folders[0]), weights(folders[2]))


def test_nan_stops_the_training_with_advice(run: Callable[..., TrainingResult], model: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    tensors = {name: tensor * np.nan for name, tensor in load_file(broken / "model.safetensors").items()}
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"stopped being a number at step 1 of 15.*learning_rate"):
        run(start=broken)


def test_a_dev_value_that_is_no_number_is_refused(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(ModelError, match="dev function returned nan after epoch 0"):
        run(dev=lambda _: float("nan"))
    with pytest.raises(ModelError, match="dev function returned None"):
        run(dev=lambda _: None)  # type: ignore[arg-type,return-value]


def test_the_wrong_kind_of_model_is_refused(
    kind: str,
    static_model: Path,
    transformer_model: Path,
    training_set: TrainingSet,
    texts: TrainingTexts,
    tmp_path: Path,
) -> None:
    wrong, advice = (
        (transformer_model, "set type: transformer") if kind == "static" else (static_model, "set type: static")
    )
    with pytest.raises(ModelError, match=advice):
        train(wrong, training_set, texts, SETTINGS[kind], prompts={}, job=TrainingJob(tmp_path))


@pytest.mark.parametrize("content", [None, "{}", json.dumps([])])
def test_a_folder_without_a_model_is_refused(
    content: str | None, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path, kind: str
) -> None:
    if content is not None:
        (tmp_path / "modules.json").write_text(content)
    with pytest.raises(ModelError):
        train(tmp_path, training_set, texts, SETTINGS[kind], prompts={}, job=TrainingJob(tmp_path / "work"))


def test_nothing_to_contrast_is_refused(run: Callable[..., TrainingResult], kind: str) -> None:
    alone = SETTINGS[kind].model_copy(update={"batch_size": 1, "negatives": 0})
    with pytest.raises(SettingsError, match="batch_size: 1 leaves nothing to contrast"):
        run(settings=alone)
    run("fine", settings=alone.model_copy(update={"negatives": 1, "epochs": 1}))


def test_more_tokens_than_positions_are_refused(
    transformer_model: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path
) -> None:
    job = TrainingJob(tmp_path / "work", device="cpu")
    with pytest.raises(SettingsError, match="max_length: 33 is more than the 32 tokens"):
        train(transformer_model, training_set, texts, TransformerTrainer(max_length=33), prompts={}, job=job)


def test_a_loss_of_0_throughout_is_refused(
    run: Callable[..., TrainingResult], training_set: TrainingSet, kind: str
) -> None:
    plain = SETTINGS[kind].model_copy(update={"negatives": 0, "epochs": 1})
    with pytest.raises(SettingsError, match="own mined negatives alone, and leaves nothing to contrast"):
        run(settings=plain.model_copy(update={"loss": InfoNCE(candidates="own")}))
    one = TrainingSet.from_rows([next(training_set.rows())])
    with pytest.raises(SettingsError, match="single query leaves nothing to contrast"):
        run(settings=plain, groups=one)
    run(settings=plain.model_copy(update={"loss": InfoNCE(candidates="own", directions="both")}))


def test_an_unknown_prompt_is_refused(
    model: Path, training_set: TrainingSet, texts: TrainingTexts, kind: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="unknown name 'passage'; allowed: document, query"):
        train(model, training_set, texts, SETTINGS[kind], prompts={"passage": "p: "}, job=TrainingJob(tmp_path))


def test_ids_without_texts_are_refused(model: Path, texts: TrainingTexts, kind: str, tmp_path: Path) -> None:
    lost = TrainingSet.from_rows([TrainingGroup("q0", ("d0",), ("d99",))])
    with pytest.raises(DataError, match="the document 'd99' is not in the corpus"):
        train(model, lost, texts, SETTINGS[kind], prompts={}, job=TrainingJob(tmp_path))


def test_a_gpu_that_is_not_there_is_refused(
    run: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ModelError, match="device 'cuda': there is no GPU that torch can use here"):
        run(device="cuda")


def test_patience_ends_the_training_and_keeps_the_best(run: Callable[..., TrainingResult], kind: str) -> None:
    steps: list[int] = []
    patient = SETTINGS[kind].model_copy(update={"patience": 1})
    dev = dev_of_weights((0.1, 0.6, 0.6, 0.7))
    for _ in range(2):  # the second time, nothing is left to do
        result = run(dev=dev, settings=patient, on_step=lambda done, _: steps.append(done))
        assert steps == list(range(1, 11))
        assert result.best_epoch == 1
        assert [epoch for _, epoch, _ in entries(result, "dev")] == [0.0, 1.0, 2.0]


def test_patience_counts_epochs_in_a_row(run: Callable[..., TrainingResult], kind: str) -> None:
    patient = SETTINGS[kind].model_copy(update={"patience": 2})
    assert run(dev=dev_of_weights((0.1, 0.05, 0.2, 0.1)), settings=patient).best_epoch == 2


def test_patience_without_dev_is_refused(run: Callable[..., TrainingResult], kind: str) -> None:
    with pytest.raises(SettingsError, match="patience: without dev there is no gain to wait for"):
        run(settings=SETTINGS[kind].model_copy(update={"patience": 1}))
