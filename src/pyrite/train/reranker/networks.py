"""Models that score pairs, in a shape that can be trained."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pyrite.errors import ModelError
from pyrite.models.adapters import is_adapted, merge_adapters
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.seeds import derive_seed
from pyrite.train.settings import LoraSettings
from pyrite.train.wants import check_length

if TYPE_CHECKING:
    import torch

    from pyrite.train.mini_batches import Features

__all__ = ["CrossEncoderNetwork", "ScoringNetwork", "forget_last_call", "merged_copy"]


class ScoringNetwork(Protocol):
    """A model in training."""

    @property
    def module(self) -> torch.nn.Module:
        """All of its weights."""
        ...

    def inputs(self, pairs: Sequence[tuple[str, str]], tokens: int | None) -> tuple[list[Features], np.ndarray]:
        """Return each (query text, document text) as the network takes it, on its device.

        Args:
            pairs: At least one.
            tokens: Tokens of a mini-batch, padding included; None for one mini-batch in the order of the pairs.

        Returns:
            Mini-batches of pairs of like length, the longest first, and the pair of each of their rows: (len(pairs),).
        """
        ...

    def logits(self, part: Features) -> torch.Tensor:
        """Return one logit for each row of a mini-batch, shape (rows,), with its gradient."""
        ...

    def adapt(self, settings: LoraSettings, seed: int) -> None:
        """Freeze the weights, a head's apart, and put low-rank adapters beside them."""
        ...

    def checkpoint_activations(self) -> None:
        """Have the network compute its activations again in the backward pass, not keep them."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model as its scorer loads it, with its tokenizer, into a folder that is not there yet.

        Adapters are merged into what is written.
        """
        ...


class CrossEncoderNetwork:
    """A cross-encoder of one output.

    Args:
        model: sentence-transformers' `CrossEncoder`; tokenising, prompts and templates are its own.
    """

    def __init__(self, model: Any) -> None:
        self._model = model

    @classmethod
    def load(cls, start: CrossEncoderSettings, seed: int) -> CrossEncoderNetwork:
        """Load a cross-encoder, or an encoder to which a new head of one output is given.

        Args:
            start: The model. An encoder, such as a sentence-transformers model, has no head.
            seed: Decides the weights of a new head.

        Raises:
            ModelError: It cannot be loaded, or has another number of outputs.
            SettingsError: It has no positions for so many tokens.
        """
        import torch
        from sentence_transformers import CrossEncoder

        folder = start.local_folder()
        if start.trust_remote_code and folder is None and start.revision is None:
            raise ModelError(
                f"{start.model}: trust_remote_code wants a revision (a commit): code may change under a name"
            )
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(seed, "reranker-head") % 2**63)
            try:
                model: Any = CrossEncoder(
                    str(folder or start.model),
                    num_labels=1,
                    device="cpu",
                    revision=start.revision,
                    trust_remote_code=start.trust_remote_code,
                    max_length=start.max_length,
                    model_kwargs={"dtype": torch.float32},
                )
            except Exception as error:
                raise ModelError(
                    f"{start.model}: cannot be loaded as a cross-encoder of one output ({type(error).__name__}: "
                    f"{error}). Give a folder or a name on the hub: a cross-encoder of one output, or an encoder"
                ) from error
        check_length(model, start.max_length)
        # Packed sequences, which flash attention allows, depend on what shares a batch.
        if hasattr(model[0], "unpad_inputs"):
            model[0].unpad_inputs = False
        return cls(model.float())

    @property
    def module(self) -> torch.nn.Module:
        """All of its weights."""
        module: torch.nn.Module = self._model
        return module

    def inputs(self, pairs: Sequence[tuple[str, str]], tokens: int | None) -> tuple[list[Features], np.ndarray]:
        """Return each pair as the network takes it; see `ScoringNetwork`."""
        import torch

        from pyrite.train.mini_batches import cut_features

        name = self._model.default_prompt_name
        prompt = None if name is None else str(self._model.prompts[name])
        features = dict(self._model.preprocess([list(pair) for pair in pairs], prompt=prompt))
        whole = [features], np.arange(len(pairs))
        parts, rows = whole if tokens is None else cut_features(features, tokens)
        device = self._model.device
        moved = [
            {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in part.items()}
            for part in parts
        ]
        return moved, rows

    def logits(self, part: Features) -> torch.Tensor:
        """Return one logit for each row of a mini-batch; see `ScoringNetwork`."""
        logits: torch.Tensor = self._model(dict(part))["scores"].squeeze(-1)
        return logits

    def adapt(self, settings: LoraSettings, seed: int) -> None:
        """Freeze all but the head and put adapters beside the rest; see `ScoringNetwork`."""
        from pyrite.train.adapters import adapt_network

        network = self._model[0].model
        adapt_network(network, settings, seed)
        for _, weights in self._head():
            weights.requires_grad_(True)

    def renew_head(self, seed: int) -> None:
        """Draw the head's matrices anew, from a normal distribution of the model's own width; its biases become 0.

        Args:
            seed: Decides the weights.

        Raises:
            ModelError: There is no head apart from the rest.
        """
        import torch

        head = self._head()
        if not head:
            raise ModelError("the model has no head of its own, so that none can be drawn anew; set heads: start")
        width = float(getattr(self._model[0].model.config, "initializer_range", 0.02))
        generator = torch.Generator().manual_seed(derive_seed(seed, "reranker-new-head") % 2**63)
        with torch.no_grad():
            for name, weights in head:
                if weights.ndim > 1:
                    weights.copy_(torch.randn(weights.shape, generator=generator) * width)
                elif name.endswith(".bias"):
                    weights.zero_()

    def set_head_dropout(self, share: float) -> None:
        """Set the share of what reaches the head that training sets to 0, where the head has dropout at all."""
        import torch

        network = self._model[0].model
        body = f"{network.base_model_prefix}."
        for name, module in network.named_modules():
            if isinstance(module, torch.nn.Dropout) and not name.startswith(body):
                module.p = share

    def _head(self) -> list[tuple[str, torch.nn.Parameter]]:
        """Return the names and weights of the head; nothing where the model is no classifier of sequences."""
        if getattr(self._model[0], "transformer_task", None) != "sequence-classification":
            return []
        network = self._model[0].model
        body = f"{network.base_model_prefix}."
        return [(name, weights) for name, weights in network.named_parameters() if not name.startswith(body)]

    def checkpoint_activations(self) -> None:
        """Have the network compute its activations again; see `ScoringNetwork`."""
        from pyrite.train.adapters import checkpoint_network

        checkpoint_network(self._model[0].model)

    def save(self, folder: Path) -> None:
        """Write what `CrossEncoder(folder)` loads."""
        forget_last_call(self._model.tokenizer)
        merged_copy(self._model).save_pretrained(str(folder), create_model_card=False)


def forget_last_call(tokenizer: Any) -> None:
    """Take out of a tokenizer how its last call cut and padded, which it would write into its file.

    Each call says both anew, so that no text is read another way for it.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        backend.no_truncation()
        backend.no_padding()


def merged_copy(model: Any) -> Any:
    """Return the model itself, or where it has adapters a copy of it with them merged."""
    if not is_adapted(model):
        return model
    copied = copy.deepcopy(model)
    merge_adapters(copied)
    return copied
