"""Adapters on a small decoder: what is trained, kept, resumed and exported."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from torch.nn import functional

from pyrite.data import TrainingSet
from pyrite.errors import MissingExtraError, ModelError
from pyrite.models.folder import ModelFolder
from pyrite.models.origin import Origin, note_origin
from pyrite.models.prompts import read_prompts
from pyrite.models.settings import CausalLMSettings
from pyrite.models.stored import bring_encoder, open_encoder
from pyrite.testing.models import write_causal_model
from pyrite.train import LoraSettings, TrainingJob, TrainingResult, TrainingTexts, TransformerTrainer, train

from .conftest import WORDS

LORA = LoraSettings(rank=4, alpha=8, dropout=0.1)
MINI_BATCHES: dict[str, dict[str, Any]] = {"at once": {}, "by 64 tokens": {"mini_batch_tokens": 64}}
PLAIN = TransformerTrainer(batch_size=8, epochs=1, learning_rate=1e-2, lora=LORA)


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 2 layers as an untrained encoder."""
    folder = tmp_path_factory.mktemp("decoder")
    language_model = write_causal_model(folder / "lm", [*WORDS, "Instruct : find the text Query :"])
    settings = CausalLMSettings(model=str(language_model), task="find the text", max_length=32)
    return bring_encoder(settings, folder / "model").path


Run = Callable[..., TrainingResult]


def training(decoder: Path, training_set: TrainingSet, texts: TrainingTexts, root: Path) -> Run:
    def call(name: str, settings: TransformerTrainer = PLAIN, **more: Any) -> TrainingResult:
        model = more.pop("model", decoder)
        dev = more.pop("dev", None)
        job = TrainingJob(root / name, device="cpu", checkpoint_steps=2, **more)
        prompts = read_prompts(model).model_dump()
        return train(model, training_set, texts, settings, prompts=prompts, job=job, dev=dev)

    return call


@pytest.fixture
def run(decoder: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path: Path) -> Run:
    """Train in a folder of the test's own."""
    return training(decoder, training_set, texts, tmp_path)


@pytest.fixture(scope="module")
def exported(
    decoder: Path, training_set: TrainingSet, texts: TrainingTexts, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, TrainingResult]:
    """The same training, exported both ways."""
    call = training(decoder, training_set, texts, tmp_path_factory.mktemp("exported"))
    return {export: call(export, with_lora(export=export)) for export in ("merged", "adapter")}


def with_lora(**changes: Any) -> TransformerTrainer:
    return PLAIN.model_copy(update={"lora": LORA.model_copy(update=changes)})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max(float((a[name].float() - b[name].float()).abs().max()) for name in a)


def vectors(folder: Path, texts: TrainingTexts) -> np.ndarray:
    """What plain sentence-transformers gives for queries and documents."""
    model = SentenceTransformer(str(folder), device="cpu")
    pairs = (("query", texts.queries), ("document", texts.corpus))
    return np.concatenate([model.encode(table.texts(), prompt_name=role) for role, table in pairs])


def test_both_exports_load_in_plain_sentence_transformers(
    exported: dict[str, TrainingResult], decoder: Path, texts: TrainingTexts
) -> None:
    merged, adapter = (exported[name].folder for name in ("merged", "adapter"))
    expected = vectors(merged, texts)
    assert np.allclose(vectors(adapter, texts), expected, rtol=0, atol=1e-5)
    assert np.abs(expected - vectors(decoder, texts)).max() > 0.1
    for folder in (merged, adapter):
        encoder = open_encoder(ModelFolder.open(folder), device="cpu")
        pairs = ((texts.queries, "query"), (texts.corpus, "document"))
        own = np.concatenate([encoder.encode(table.texts(), role) for table, role in pairs])
        assert np.allclose(own, expected, rtol=0, atol=1e-5)
        assert read_prompts(folder) == read_prompts(decoder)


def test_an_exported_adapter_holds_no_frozen_weight(
    exported: dict[str, TrainingResult], run: Run, decoder: Path
) -> None:
    folder = exported["adapter"].folder
    assert not (folder / "model.safetensors").exists()
    names = load_file(folder / "adapter_model.safetensors").keys()
    assert all("lora_A" in name or "lora_B" in name for name in names)
    # q, k, v, o, gate, up, down of 2 layers, each with A and B.
    assert len(names) == 2 * 7 * 2
    named = run("named", with_lora(export="adapter", base="owner/base")).folder
    assert '"base_model_name_or_path": "owner/base"' in (named / "adapter_config.json").read_text()
    assert f'"base_model_name_or_path": "{decoder}"' in (folder / "adapter_config.json").read_text()


def test_the_identity_of_an_adapter_is_by_content(
    exported: dict[str, TrainingResult], decoder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "adapter"
    ModelFolder(exported["adapter"].folder).save(folder)
    before = ModelFolder.open(folder).fingerprint()
    config = folder / "adapter_config.json"
    ModelFolder(decoder).save(tmp_path / "moved")
    config.write_text(config.read_text().replace(str(decoder), str(tmp_path / "moved")))
    assert ModelFolder.open(folder).fingerprint() == before
    (tmp_path / "moved/tokenizer.json").write_text("{}")
    assert ModelFolder.open(folder).fingerprint() != before


def test_an_adapter_of_a_model_of_the_hub_names_that(
    exported: dict[str, TrainingResult], run: Run, decoder: Path, texts: TrainingTexts, tmp_path: Path
) -> None:
    """And is loaded with the folder that it was trained on, while that is there: while it trains, and afterwards."""
    ModelFolder(decoder).save(tmp_path / "brought")
    note_origin(tmp_path / "brought", Origin("owner/base", "c0ffee"))
    seen: list[np.ndarray] = []

    def dev(folder: Path) -> float:
        seen.append(vectors(folder, texts))
        return float(len(seen))

    settings = with_lora(export="adapter")
    first = run("first", settings, model=tmp_path / "brought", dev=dev).folder
    further = run("further", settings, model=first).folder
    for folder in (first, further):
        assert '"base_model_name_or_path": "owner/base"' in (folder / "adapter_config.json").read_text()
        assert "They belong to `owner/base`" in (folder / "README.md").read_text()
    expected = vectors(exported["adapter"].folder, texts)
    assert np.allclose(seen[-1], expected, rtol=0, atol=1e-5)
    encoder = open_encoder(ModelFolder.open(first), device="cpu")
    own = [
        encoder.encode(table.texts(), role) for table, role in ((texts.queries, "query"), (texts.corpus, "document"))
    ]
    assert np.allclose(np.concatenate(own), expected, rtol=0, atol=1e-5)


def test_an_adapter_without_its_model_says_so(exported: dict[str, TrainingResult], run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    ModelFolder(exported["adapter"].folder).save(folder)
    for name in ("adapter_config.json", "adapter_base.json"):
        text = json.loads((folder / name).read_text())
        place = "folder" if name == "adapter_base.json" else "base_model_name_or_path"
        (folder / name).write_text(json.dumps({**text, place: str(tmp_path / "gone")}))
    assert "Where that folder is not there" in (folder / "README.md").read_text()
    said = r"holds adapters of the model in .*gone, which is not there"
    with pytest.raises(ModelError, match=said):
        open_encoder(ModelFolder.open(folder), device="cpu")
    for export in ("merged", "adapter"):
        with pytest.raises(ModelError, match=said):
            run(f"on {export}", with_lora(export=export), model=folder)


def test_layers_that_are_no_targets_stay_as_they_were(run: Run, decoder: Path) -> None:
    before, after = weights(decoder), weights(run("trained", with_lora(targets=("q_proj", "v_proj"))).folder)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {f"layers.{i}.self_attn.{part}_proj.weight" for i in range(2) for part in "qv"}


def test_checkpoints_hold_adapters_alone(exported: dict[str, TrainingResult]) -> None:
    newest = max(
        exported["merged"].folder.parent.glob("checkpoints/step-*"), key=lambda path: int(path.name.split("-")[1])
    )
    assert [file.name for file in newest.glob("*.safetensors")] == ["trained.safetensors"]
    assert len(load_file(newest / "trained.safetensors")) == 2 * 7 * 2


class Killed(BaseException):
    """What no one catches."""


@pytest.mark.parametrize(("last", "export"), [(1, "merged"), (2, "adapter"), (3, "merged")])
def test_a_killed_training_ends_as_one_that_was_not(
    exported: dict[str, TrainingResult], run: Run, last: int, export: str
) -> None:
    def kill(done: int, _: int) -> None:
        if done == last:
            raise Killed

    with pytest.raises(Killed):
        run("killed", with_lora(export=export), on_step=kill)
    again = run("killed", with_lora(export=export))
    assert ModelFolder.open(again.folder).fingerprint() == ModelFolder.open(exported[export].folder).fingerprint()
    assert again.log.fingerprint() == exported[export].log.fingerprint()


def test_the_seed_decides_the_adapter(exported: dict[str, TrainingResult], run: Run) -> None:
    one = weights(exported["merged"].folder)
    assert distance(one, weights(run("same").folder)) == 0
    assert distance(one, weights(run("another", PLAIN.model_copy(update={"seed": 1})).folder)) > 0


def test_checkpointed_activations_give_the_same_weights(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers.models.llama.modeling_llama import LlamaMLP

    calls = []
    forward = LlamaMLP.forward

    def counted(self: Any, values: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return forward(self, values)

    monkeypatch.setattr(LlamaMLP, "forward", counted)
    kept = weights(run("kept").folder)
    once = len(calls)
    computed = weights(run("computed", PLAIN.model_copy(update={"gradient_checkpointing": True})).folder)
    assert len(calls) - once == 2 * once
    assert distance(kept, computed) == 0


def test_bf16_holds_the_frozen_weights_in_16_bits_and_the_adapters_in_32(
    exported: dict[str, TrainingResult], run: Run, texts: TrainingTexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyrite.train import biencoder

    seen: list[SentenceTransformer] = []
    add = biencoder.add_adapter
    monkeypatch.setattr(biencoder, "add_adapter", lambda model, *more: (seen.append(model), add(model, *more)))
    half = run("half", PLAIN.model_copy(update={"precision": "bf16"})).folder
    types = {(weight.requires_grad, weight.dtype) for weight in seen[0].parameters()}
    assert types == {(False, torch.bfloat16), (True, torch.float32)}
    assert {tensor.dtype for tensor in weights(half).values()} == {torch.float32}
    difference = np.abs(vectors(half, texts) - vectors(exported["merged"].folder, texts)).max()
    assert 0 < difference < 0.2


def test_dev_sees_the_adapters(run: Run, texts: TrainingTexts) -> None:
    measured: list[np.ndarray] = []

    def dev(folder: Path) -> float:
        encoder = open_encoder(ModelFolder.open(folder), device="cpu")
        measured.append(encoder.encode(texts.queries.texts(), "query"))
        return float(len(measured))

    trained = vectors(run("trained", dev=dev).folder, texts)
    assert len(measured) == 2
    assert np.allclose(measured[1], trained[: len(texts.queries)], rtol=0, atol=1e-5)
    assert not np.allclose(measured[0], measured[1], rtol=0, atol=1e-2)


def test_training_goes_on_from_an_exported_adapter(
    exported: dict[str, TrainingResult], run: Run, texts: TrainingTexts
) -> None:
    seen: list[np.ndarray] = []

    def dev(folder: Path) -> float:
        seen.append(vectors(folder, texts))
        return float(len(seen))

    one, other = (run(f"from {name}", model=result.folder, dev=dev).folder for name, result in exported.items())
    assert np.allclose(vectors(one, texts), vectors(other, texts), rtol=0, atol=1e-3)
    assert np.allclose(seen[0], vectors(exported["adapter"].folder, texts), rtol=0, atol=1e-5)
    assert np.allclose(seen[1], vectors(one, texts), rtol=0, atol=1e-5)


def adapters(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_exported_adapter_is_trained_on(
    exported: dict[str, TrainingResult], run: Run, decoder: Path, texts: TrainingTexts, precision: str
) -> None:
    """The same adapters on the same whole model, and no others."""
    seen: list[np.ndarray] = []

    def dev(folder: Path) -> float:
        seen.append(vectors(folder, texts))
        return float(len(seen))

    start, settings = (
        exported["adapter"].folder,
        with_lora(export="adapter").model_copy(update={"precision": precision}),
    )
    still = run("still", settings.model_copy(update={"learning_rate": 1e-30}), model=start).folder
    assert distance(adapters(start), adapters(still)) < 1e-20
    further = run("further", settings, model=start, dev=dev).folder
    assert 1e-3 < distance(adapters(start), adapters(further)) < 1
    config = json.loads((further / "adapter_config.json").read_text())
    assert (config["base_model_name_or_path"], config["r"]) == (str(decoder), 4)
    assert np.allclose(seen[0], vectors(start, texts), rtol=0, atol=1e-5)
    assert np.allclose(seen[1], vectors(further, texts), rtol=0, atol=1e-2 if precision == "bf16" else 1e-5)


def test_a_killed_training_on_an_adapter_ends_as_one_that_was_not(
    exported: dict[str, TrainingResult], run: Run
) -> None:
    def kill(done: int, _: int) -> None:
        if done == 3:
            raise Killed

    start, settings = exported["adapter"].folder, with_lora(export="adapter")
    with pytest.raises(Killed):
        run("killed", settings, model=start, on_step=kill)
    again, whole = run("killed", settings, model=start), run("whole", settings, model=start)
    assert distance(adapters(again.folder), adapters(whole.folder)) == 0


def test_a_killed_training_on_other_adapters_leaves_nothing_behind(
    exported: dict[str, TrainingResult], run: Run
) -> None:
    def kill(done: int, _: int) -> None:
        raise Killed

    other = run("other", with_lora(export="adapter").model_copy(update={"seed": 5})).folder
    with pytest.raises(Killed):
        run("work", with_lora(), model=exported["adapter"].folder, on_step=kill)
    again, whole = run("work", with_lora(), model=other), run("whole", with_lora(), model=other)
    assert distance(weights(again.folder), weights(whole.folder)) == 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rank": 8}, "rank"),
        ({"alpha": 4.0, "dropout": 0.0}, "alpha, dropout"),
        ({"targets": ("q_proj", "v_proj")}, "targets"),
    ],
)
def test_an_exported_adapter_of_other_settings_is_not_trained_on(
    exported: dict[str, TrainingResult], run: Run, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(ModelError, match=f"holds adapters already.* their {named} differ from the settings'"):
        run("other", with_lora(export="adapter", **changes), model=exported["adapter"].folder)


def test_adapters_of_some_layers_are_trained_on(run: Run) -> None:
    some = with_lora(export="adapter", targets=("q_proj", "v_proj"))
    first = run("first", some).folder
    assert adapters(run("second", some, model=first).folder).keys() == adapters(first).keys()
    with pytest.raises(ModelError, match="their targets differ"):
        run("all", with_lora(export="adapter"), model=first)


def test_mini_batches_give_the_same_adapters(run: Run) -> None:
    still = with_lora(dropout=0.0)
    whole, cached = (weights(run(name, still, **job).folder) for name, job in MINI_BATCHES.items())
    assert 0 < distance(whole, cached) < 1e-4


def test_without_peft_the_extra_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'pyrite\[lora\]'"):
        run("trained")


def test_targets_that_are_not_there_are_named(run: Run) -> None:
    with pytest.raises(ModelError, match=r"no adapters for this model.*give `targets` that it has"):
        run("trained", with_lora(targets=("query_key_value",)))


def test_other_transformers_take_adapters_too(run: Run, transformer_model: Path, texts: TrainingTexts) -> None:
    folder = run("bert", with_lora(export="adapter"), model=transformer_model).folder
    assert np.allclose(
        vectors(folder, texts), vectors(run("merged", model=transformer_model).folder, texts), rtol=0, atol=1e-5
    )


def test_steps_are_those_of_a_plain_transcription(
    run: Run, decoder: Path, training_set: TrainingSet, texts: TrainingTexts
) -> None:
    """Tokens, adapters, pooling, loss and steps by hand, over all pairs in one batch a step."""
    settings = TransformerTrainer(
        batch_size=40,
        epochs=3,
        learning_rate=0.01,
        warmup_share=0,
        schedule="constant",
        weight_decay=0.0,
        negatives=1,
        max_gradient_norm=0.0,
        lora=LoraSettings(rank=2, alpha=4),
    )
    found = weights(run("trained", settings).folder)
    initial = weights(run("still", settings.model_copy(update={"learning_rate": 1e-30})).folder)
    assert distance(initial, weights(decoder)) < 1e-20

    plain = SentenceTransformer(str(decoder), device="cpu")
    network, tokenizer = plain[0].model.eval(), plain.tokenizer
    adapters = _adapted(network, run, settings)
    groups = list(training_set.rows())
    prompt = plain.prompts["query"]
    queries = [prompt + text for text in texts.queries.select([group.query_id for group in groups]).texts()]
    positives = texts.corpus.select([group.positive_ids[0] for group in groups]).texts()
    negatives = texts.corpus.select([group.negative_ids[0] for group in groups]).texts()

    def encode(given: list[str]) -> torch.Tensor:
        tokens = [torch.tensor([tokenizer(text)["input_ids"]]) for text in given]
        states = [network(input_ids=row).last_hidden_state[0, -1] for row in tokens]
        return functional.normalize(torch.stack(states), dim=-1)

    # The negative of a query is the positive of another, for which it is no negative.
    own_elsewhere = torch.tensor([[a == b for b in positives + negatives] for a in positives])
    own_elsewhere.fill_diagonal_(fill_value=False)
    assert int(own_elsewhere.sum()) == 40
    optimizer = torch.optim.AdamW([part for pair in adapters.values() for part in pair], lr=0.01, weight_decay=0.0)
    for _ in range(3):
        optimizer.zero_grad()
        logits = encode(queries) @ encode(positives + negatives).T / settings.loss.temperature
        logits = logits.masked_fill(own_elsewhere, -torch.inf)
        loss = -logits.log_softmax(dim=-1).diagonal().mean()
        loss.backward()
        optimizer.step()
    for name, (down, up) in adapters.items():
        merged = weights(decoder)[name] + 2 * (up @ down).detach()
        assert torch.allclose(found[name], merged, rtol=0, atol=1e-5), name


def _adapted(network: Any, run: Run, settings: Any) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Put adapters that start as the trainer's beside the linear layers, as hooks; return A and B by weight."""
    still = run("first", settings.model_copy(update={"learning_rate": 1e-30}))
    start = load_file(max(still.folder.parent.glob("checkpoints/step-*")) / "trained.safetensors")
    adapters: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for name, layer in list(network.named_modules()):
        if not isinstance(layer, torch.nn.Linear):
            continue
        layer.requires_grad_(requires_grad=False)
        down = start[f"0.model.{name}.lora_A.default.weight"].clone().requires_grad_()
        up = torch.zeros_like(start[f"0.model.{name}.lora_B.default.weight"]).requires_grad_()
        assert down.shape == (2, layer.in_features)
        # Drawn between -1 / sqrt(inputs) and 1 / sqrt(inputs).
        assert 0 < float(down.detach().abs().max()) <= 1 / math.sqrt(layer.in_features) + 1e-6
        scale = settings.lora.alpha / settings.lora.rank

        def hook(_: Any, inputs: Any, output: Any, down: Any = down, up: Any = up, scale: float = scale) -> Any:
            return output + scale * inputs[0] @ down.T @ up.T

        layer.register_forward_hook(hook)
        adapters[f"{name}.weight"] = (down, up)
    return adapters
