"""What a training sends to trackers, which are told of it through real event files and a stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyrite.data import TrainingSet
from pyrite.errors import SettingsError
from pyrite.train import StaticTrainer, TrainingJob, TrainingResult, TrainingTexts, TransformerTrainer, train

SETTINGS = {
    "static": StaticTrainer(batch_size=4, epochs=3, learning_rate=0.05),
    "transformer": TransformerTrainer(batch_size=4, epochs=3, learning_rate=1e-3),
}


@pytest.fixture(params=["static", "transformer"])
def run(
    request: pytest.FixtureRequest,
    static_model: Path,
    transformer_model: Path,
    training_set: TrainingSet,
    texts: TrainingTexts,
    tmp_path: Path,
) -> Callable[..., TrainingResult]:
    """Train for 30 steps in the test's folder."""
    kind = request.param
    model = static_model if kind == "static" else transformer_model

    def call(dev: Any = lambda _: 0.5, **job: Any) -> TrainingResult:
        told = TrainingJob(tmp_path, device="cpu", checkpoint_steps=8, **job)
        return train(model, training_set, texts, SETTINGS[kind], prompts={}, job=told, dev=dev)

    return call


def read_events(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {
        name: {event.step: event.value for event in accumulator.Scalars(name)} for name in accumulator.Tags()["scalars"]
    }


def test_tensorboard_gets_the_log_and_the_pace(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    result = run()
    (folder,) = (tmp_path / "trackers").iterdir()
    events = read_events(folder)
    for entry in result.log.rows():
        assert events[entry.name][entry.step] == pytest.approx(entry.value)
    assert list(events["loss"]) == [10, 20, 30]
    assert list(events["dev"]) == [0, 10, 20, 30]
    assert set(events) >= {"loss", "gradient-norm", "learning-rate", "epoch-loss", "dev"}


def test_pace_and_memory_are_not_in_the_log(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    result = run(dev=None)
    (folder,) = (tmp_path / "trackers").iterdir()
    events = read_events(folder)
    assert all(value > 0 for value in events["examples-per-second"].values())
    assert all(value > 1 for value in events["memory-mb"].values())
    assert {entry.name for entry in result.log.rows()}.isdisjoint({"examples-per-second", "memory-mb"})


class Killed(BaseException):
    pass


def test_what_a_killed_training_sent_and_did_again_counts_once(
    run: Callable[..., TrainingResult], tmp_path: Path
) -> None:
    def kill(done: int, _: int) -> None:
        if done == 15:
            raise Killed

    with pytest.raises(Killed):
        run(on_step=kill)
    result = run()
    (folder,) = (tmp_path / "trackers").iterdir()
    assert len(list(folder.iterdir())) == 2
    events = read_events(folder)
    losses = {entry.step: entry.value for entry in result.log.rows() if entry.name == "loss"}
    assert events["loss"] == pytest.approx(losses)


def test_a_finished_training_sends_nothing_more(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run()
    run()
    (folder,) = (tmp_path / "trackers").iterdir()
    assert len(list(folder.iterdir())) == 1


def test_no_tracker_writes_nothing(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run(trackers=())
    assert not (tmp_path / "trackers").exists()


def test_a_tracker_that_is_named_twice_is_told_once(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run(trackers=("tensorboard", "tensorboard"))
    (folder,) = (tmp_path / "trackers").iterdir()
    assert len(list(folder.iterdir())) == 1


def test_a_folder_can_be_given(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run(trackers_folder=tmp_path / "curves")
    assert len(list((tmp_path / "curves").iterdir())) == 1


def test_none_alone_is_no_tracker(run: Callable[..., TrainingResult], tmp_path: Path) -> None:
    run(trackers=("none",), trackers_folder=tmp_path / "curves")
    assert not (tmp_path / "curves").exists()


def test_an_unknown_tracker_is_refused_before_anything_is_done(run: Callable[..., TrainingResult]) -> None:
    with pytest.raises(
        SettingsError, match=r"trackers: unknown name 'chalkboard'; allowed: none alone, or any of .*wandb"
    ):
        run(trackers=("chalkboard",))


class StandIn:
    """Keeps what transformers' trainer would tell a callback."""

    told: list[Any]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        StandIn.told = ["begin"]

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        StandIn.told.append((state.global_step, logs))

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        StandIn.told.append("end")


@pytest.fixture
def _stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.integrations import integration_utils

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "wandb", StandIn)


@pytest.mark.usefixtures("_stand_in")
def test_other_trackers_are_told_by_the_callbacks_of_transformers(run: Callable[..., TrainingResult]) -> None:
    result = run(trackers=("wandb",))
    begin, *sent, end = StandIn.told
    assert (begin, end) == ("begin", "end")
    found = {(step, name): value for step, logs in sent for name, value in logs.items()}
    assert {(entry.step, entry.name): entry.value for entry in result.log.rows()}.items() <= found.items()


class UsageError(Exception):
    """As wandb raises one where nobody logged in."""


@pytest.mark.parametrize("error", [RuntimeError("requires wandb to be installed"), UsageError("no API key")])
def test_a_tracker_that_cannot_be_used_is_named(
    run: Callable[..., TrainingResult], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    from transformers.integrations import integration_utils

    def absent() -> None:
        raise error

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "wandb", absent)
    with pytest.raises(SettingsError, match=f"trackers: wandb cannot be used here: {error}"):
        run(trackers=("wandb",))
