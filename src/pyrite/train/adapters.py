"""Low-rank adapters (LoRA) in training: added, kept in checkpoints, exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer

from pyrite.errors import ModelError
from pyrite.extras import require
from pyrite.models.adapters import merge_adapters
from pyrite.models.origin import ADAPTER_CONFIG, base_of, name_of_base, note_base
from pyrite.seeds import rng
from pyrite.train.settings import LoraSettings

__all__ = [
    "adapt_network",
    "add_adapter",
    "checkpoint_activations",
    "checkpoint_network",
    "go_on_with_adapter",
    "load_trained",
    "save_trained",
    "write_adapter",
    "write_merged",
]

_FILE = "trained.safetensors"
_IN_ADAPTER = ".lora_"


def add_adapter(model: SentenceTransformer, settings: LoraSettings, seed: int) -> None:
    """Freeze a model's transformer and put adapters beside its linear layers.

    A layer's output W x becomes W x + (alpha / rank) B A x. A is drawn at random, B is 0: the model starts as it was.

    Args:
        model: The model; modules behind its transformer stay trainable.
        settings: Rank, scale, dropout and layers.
        seed: Decides A.

    Raises:
        MissingExtraError: peft is not installed.
        ModelError: The model has no transformer, or none of its layers is among the targets.
    """
    network: Any = getattr(model[0], "model", None)
    if not hasattr(network, "add_adapter"):
        raise ModelError(f"lora: wants a transformer, and the model starts with a {type(model[0]).__name__}")
    adapt_network(network, settings, seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            # Beside frozen weights of 16 bits they would be of 16 bits too.
            parameter.data = parameter.data.float()


def go_on_with_adapter(model: SentenceTransformer, settings: LoraSettings, dtype: torch.dtype) -> None:
    """Train the adapters that a model has already, and freeze all else of its transformer.

    Args:
        model: As it was loaded, in 32 bits.
        settings: What new adapters would be: rank, scale, dropout and layers have to be those of the ones there.
        dtype: What the frozen weights are held in.

    Raises:
        ModelError: The adapters are others than the settings say.
    """
    network: Any = model[0].model
    there = next(iter(network.peft_config.values()))
    found = {"rank": there.r, "alpha": there.lora_alpha, "dropout": there.lora_dropout, "targets": _targets(network)}
    wanted = {
        **settings.model_dump(include={"rank", "alpha", "dropout"}),
        "targets": _wanted_targets(network, settings),
    }
    if found != wanted:
        names = ", ".join(name for name in found if found[name] != wanted[name])
        raise ModelError(
            f"lora: the model holds adapters already, and an adapter is exported that goes on with them; their {names} "
            "differ from the settings'. Take the settings that they were trained with, or export: merged"
        )
    trained = {name: weights for name, weights in network.named_parameters() if _IN_ADAPTER in name}
    kept = {name: weights.detach().float() for name, weights in trained.items()}
    for weights in network.parameters():
        weights.requires_grad_(False)
    model.to(dtype)
    for name, weights in trained.items():
        # Beside frozen weights of 16 bits they stay what they are.
        weights.data = kept[name]
        weights.requires_grad_(True)


def _targets(network: Any) -> set[str]:
    """Return the layers that have an adapter."""
    return {name.partition(_IN_ADAPTER)[0] for name, _ in network.named_parameters() if _IN_ADAPTER in name}


def _wanted_targets(network: Any, settings: LoraSettings) -> set[str]:
    """Return the layers that would have one: linear layers, by the ends of their names where those are given."""
    layers = {name.removesuffix(".base_layer") for name, part in network.named_modules() if _is_layer(name, part)}
    if isinstance(settings.targets, str):
        return layers
    ends = settings.targets
    return {name for name in layers if any(name == end or name.endswith(f".{end}") for end in ends)}


def _is_layer(name: str, part: torch.nn.Module) -> bool:
    return isinstance(part, torch.nn.Linear) and _IN_ADAPTER not in name


def adapt_network(network: Any, settings: LoraSettings, seed: int) -> None:
    """Freeze a transformer of transformers and put adapters beside its linear layers; see `add_adapter`.

    Raises:
        MissingExtraError: peft is not installed.
        ModelError: None of its layers is among the targets.
    """
    peft = require("peft", "lora")
    named = settings.targets
    config = peft.LoraConfig(
        task_type="FEATURE_EXTRACTION",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=named if isinstance(named, str) else list(named),
    )
    with torch.random.fork_rng():
        torch.manual_seed(int(rng(seed, "lora").integers(1 << 62)))
        try:
            network.add_adapter(config)
        except ValueError as error:
            raise ModelError(f"lora: no adapters for this model ({error}); give `targets` that it has") from error


def checkpoint_activations(model: SentenceTransformer) -> None:
    """Have a model's transformer compute its activations again in the backward pass, not keep them.

    Raises:
        ModelError: The transformer cannot do so.
    """
    checkpoint_network(getattr(model[0], "model", None))


def checkpoint_network(network: Any) -> None:
    """Have a transformer of transformers do so; see `checkpoint_activations`.

    Raises:
        ModelError: It cannot.
    """
    # Its name up to transformers 5.
    enable = getattr(network, "activation_checkpointing_enable", None) or network.gradient_checkpointing_enable
    try:
        enable({"use_reentrant": False})
    except ValueError as error:
        raise ModelError(f"gradient_checkpointing: {error}") from error


def save_trained(model: SentenceTransformer, folder: Path) -> None:
    """Write the trainable weights, and no others, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    trained = {
        name: weights.detach().contiguous() for name, weights in model.named_parameters() if weights.requires_grad
    }
    save_file(trained, folder / _FILE)


def load_trained(model: SentenceTransformer, folder: Path) -> None:
    """Read what `save_trained` wrote into a model of the same build."""
    trained = load_file(folder / _FILE)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.requires_grad:
                weights.copy_(trained[name])


def write_merged(model: SentenceTransformer, folder: Path) -> None:
    """Write a model as a whole, its adapters worked into the weights, which changes it.

    Args:
        model: The model in 32 bits: merged in 16, weights would lose what training taught them.
        folder: What `SentenceTransformer(folder)` will load.
    """
    merge_adapters(model)
    model.save_pretrained(str(folder), create_model_card=False)


def write_adapter(
    model: SentenceTransformer, folder: Path, base: Path, name: str | None = None, *, local: bool = False
) -> None:
    """Write a model's adapters alone, with what leads to its frozen weights.

    Args:
        model: The model.
        folder: What `SentenceTransformer(folder)` will load, as long as the frozen weights are where it says.
        base: The folder of the untrained model; where it holds adapters itself, what these belong to.
        name: What stands for the untrained model, a name on the hub or another folder; where None, its name on the hub
            if it came from there, else its folder.
        local: Whether it is its folder even so.
    """
    model.save_pretrained(str(folder), create_model_card=False)
    note_base(folder, base_of(base))
    for config in folder.rglob(ADAPTER_CONFIG):
        home = config.parent.relative_to(folder)
        # peft writes a set in the order that it comes in, which differs between two runs.
        targets = sorted(json.loads(config.read_text(encoding="utf-8"))["target_modules"])
        named = name or name_of_base(base, home, local=local)
        _change(config, base_model_name_or_path=named, target_modules=targets)
        # An adapter's weights would take the type of the frozen ones otherwise, and 16 bits do not hold them.
        _change(config.parent / "sentence_bert_config.json", model_kwargs={"dtype": "float32"})


def _change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **fields}, indent=1))
