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
from pyrite.seeds import rng
from pyrite.train.settings import LoraSettings

__all__ = [
    "adapt_network",
    "add_adapter",
    "checkpoint_activations",
    "checkpoint_network",
    "load_trained",
    "save_trained",
    "write_adapter",
    "write_merged",
]

_FILE = "trained.safetensors"


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


def write_adapter(model: SentenceTransformer, folder: Path, base: Path, name: str | None = None) -> None:
    """Write a model's adapters alone, with what leads to its frozen weights.

    Args:
        model: The model.
        folder: What `SentenceTransformer(folder)` will load, as long as the frozen weights are where they were.
        base: The folder of the untrained model.
        name: What stands for that folder: a name on the hub.
    """
    model.save_pretrained(str(folder), create_model_card=False)
    for config in folder.rglob("adapter_config.json"):
        home = config.parent.relative_to(folder)
        # peft writes a set in the order that it comes in, which differs between two runs.
        targets = sorted(json.loads(config.read_text(encoding="utf-8"))["target_modules"])
        _change(config, base_model_name_or_path=name or str(base.resolve() / home), target_modules=targets)
        # An adapter's weights would take the type of the frozen ones otherwise, and 16 bits do not hold them.
        _change(config.parent / "sentence_bert_config.json", model_kwargs={"dtype": "float32"})


def _change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **fields}, indent=1))
