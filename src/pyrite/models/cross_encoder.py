"""Cross-encoders through sentence-transformers, with batches of like length across all queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.devices import compute_batches, replicate, resolve_devices
from pyrite.models.folder import ModelFolder
from pyrite.models.packed_linear import pack_linear_layers
from pyrite.models.precision import Precision, torch_dtype
from pyrite.models.scorer_settings import CrossEncoderSettings
from pyrite.models.token_batches import Tokens, cut_batches
from pyrite.settings import Json

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

__all__ = ["CrossEncoderScorer", "load_cross_encoder"]

BATCH_TOKENS = 8192
"""Tokens in one batch, padding included: enough for a processor; a GPU wants more."""

_TOKENISED_AT_ONCE = 256


class CrossEncoderScorer:
    """Scores pairs with any sentence-transformers CrossEncoder of one output.

    Pairs are tokenised once, ordered by their number of tokens whatever query they belong to, and computed in batches
    of so many tokens; each distinct pair once. Scores equal those of `CrossEncoder.predict` with the same activation,
    up to rounding.

    Args:
        model: The model, on its device; `load` makes one.
        scores: `logit` for the output as it is, `probability` for its sigmoid.
        batch_tokens: Tokens in one batch, padding included. Does not enter the identity.
        copies: The same model on further devices, to compute there as well.
        weights: What identifies the weights, such as a fingerprint.

    Raises:
        ModelError: The model has more than one output.

    Example:
        ```python
        scorer = CrossEncoderScorer.load("cross-encoder/ms-marco-MiniLM-L6-v2", precision="bf16")
        scorer.score([("what is fool's gold", "Pyrite is called fool's gold.")])
        ```
    """

    def __init__(
        self,
        model: CrossEncoder,
        *,
        scores: Literal["logit", "probability"] = "logit",
        batch_tokens: int = BATCH_TOKENS,
        copies: Sequence[CrossEncoder] = (),
        weights: Json = None,
    ) -> None:
        if model.num_labels != 1:
            raise ModelError(f"a scorer wants a cross-encoder of one output; this one has {model.num_labels}")
        self._model = model.eval()
        self._copies = [self._model, *copies]
        self._scores = scores
        self._batch_tokens = batch_tokens
        self._weights = weights

    @classmethod
    def load(
        cls,
        model: str | Path | CrossEncoderSettings,
        *,
        device: str = "auto",
        precision: Precision = "fp32",
        max_length: int | None = None,
        batch_tokens: int = BATCH_TOKENS,
    ) -> CrossEncoderScorer:
        """Load a folder, or a model of the hub.

        Args:
            model: The folder or name, or settings, which then say precision and length too.
            device: `auto`, `cpu`, `cuda`, `cuda:N`, or several, parted by commas.
            precision: What the model computes in.
            max_length: Tokens after which a pair is cut; the model's own where None.
            batch_tokens: Tokens in one batch.

        Raises:
            ModelError: It cannot be loaded, or is no cross-encoder of one output.
        """
        settings = (
            model
            if isinstance(model, CrossEncoderSettings)
            else CrossEncoderSettings(model=str(model), precision=precision, max_length=max_length)
        )
        devices = resolve_devices(device)
        loaded = load_cross_encoder(settings, devices[0])
        folder = settings.local_folder()
        weights = ModelFolder(folder).fingerprint() if folder else {"name": settings.model, "commit": _commit(loaded)}
        first, *copies = replicate(loaded, devices)
        scorer = cls(first, scores=settings.scores, batch_tokens=batch_tokens, copies=copies, weights=weights)
        for one in (first, *copies):
            if one.device.type == "cpu":
                pack_linear_layers(one)
        return scorer

    @property
    def score_kind(self) -> ScoreKind:
        """Logits or probabilities."""
        return ScoreKind(self._scores)

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return one score for each (query text, document text): float64, shape (len(pairs),)."""
        unique = list(dict.fromkeys(pairs))
        if not unique:
            return np.zeros(0, dtype=np.float64)
        tokens, constants = self._tokenise(unique)

        def compute(model: CrossEncoder, rows: np.ndarray) -> np.ndarray:
            return self._forward(model, {**_padded(tokens, rows, model.tokenizer), **constants})

        scores = compute_batches(cut_batches(tokens.lengths, self._batch_tokens), self._copies, compute)
        place = {pair: row for row, pair in enumerate(unique)}
        chosen: np.ndarray = scores[[place[pair] for pair in pairs]]
        return chosen

    def identity(self) -> Json:
        """Return weights, prompt, maximum length, precision and activation."""
        return {
            "weights": self._weights,
            "prompt": self._prompt(),
            "max_length": self._model.max_seq_length,
            "precision": str(next(iter(self._model.parameters())).dtype),
            "scores": self._scores,
        }

    def _prompt(self) -> str | None:
        name = self._model.default_prompt_name
        return None if name is None else str(self._model.prompts[name])

    def _tokenise(self, pairs: Sequence[tuple[str, str]]) -> tuple[Tokens, dict[str, Any]]:
        """Tokenise as the model's own preprocessing does, prompt and template included, and take the padding off.

        Returns:
            The tokens, and what the preprocessing gave beside them for any batch.
        """
        order = sorted(range(len(pairs)), key=lambda row: len(pairs[row][0]) + len(pairs[row][1]))
        features: dict[str, list[Any]] = {}
        constants: dict[str, Any] = {}
        for start in range(0, len(order), _TOKENISED_AT_ONCE):
            chosen = order[start : start + _TOKENISED_AT_ONCE]
            given = self._model.preprocess([list(pairs[row]) for row in chosen], prompt=self._prompt())
            real = given["attention_mask"].bool().numpy()
            for name, value in given.items():
                if getattr(value, "shape", None) != real.shape:
                    constants[name] = value
                    continue
                column = features.setdefault(name, [None] * len(pairs))
                for row, ids, mask in zip(chosen, value.numpy().astype(np.int32), real, strict=True):
                    column[row] = ids[mask]
        return Tokens.of(features), constants

    def _forward(self, model: CrossEncoder, features: dict[str, Any]) -> np.ndarray:
        import torch

        tensors = {
            name: torch.from_numpy(value).to(model.device) if isinstance(value, np.ndarray) else value
            for name, value in features.items()
        }
        with torch.inference_mode():
            logits = model(tensors)["scores"].squeeze(-1).to("cpu", dtype=torch.float64)
            scores = logits.sigmoid() if self._scores == "probability" else logits
        out: np.ndarray = scores.numpy()
        return out


def load_cross_encoder(settings: CrossEncoderSettings, device: str = "cpu") -> CrossEncoder:
    """Load the model that settings name.

    Raises:
        ModelError: It cannot be loaded, or is no cross-encoder; says what to check.
    """
    folder = settings.local_folder()
    if settings.trust_remote_code and folder is None and settings.revision is None:
        raise ModelError(
            f"{settings.model}: trust_remote_code wants a revision (a commit): code may change under a name"
        )
    from sentence_transformers import CrossEncoder

    dtype = torch_dtype(settings.precision)
    try:
        model: Any = CrossEncoder(
            str(folder or settings.model),
            device=device,
            revision=settings.revision,
            trust_remote_code=settings.trust_remote_code,
            max_length=settings.max_length,
            model_kwargs={"dtype": dtype},
        )
    except Exception as error:
        raise ModelError(
            f"{settings.model}: cannot be loaded as a cross-encoder ({type(error).__name__}: {error}). "
            "Give a folder that CrossEncoder.save wrote, or a model's name on the hub and a network"
        ) from error
    _check_has_head(settings.model, model)
    # Packed sequences, which flash attention allows, have no rows that could be put into other batches.
    if hasattr(model[0], "unpad_inputs"):
        model[0].unpad_inputs = False
    loaded: CrossEncoder = model.to(dtype)
    return loaded


def _check_has_head(name: str, model: CrossEncoder) -> None:
    """Refuse an encoder, to which sentence-transformers gives a new head of random weights."""
    if getattr(model[0], "transformer_task", None) != "sequence-classification":
        return
    saved = list(getattr(model.config, "architectures", None) or [])
    if not any("SequenceClassification" in one for one in saved):
        raise ModelError(
            f"{name}: is a model of the kind {', '.join(saved) or 'unknown'}, without a trained head for scores; a "
            "cross-encoder wants one for sequence classification. To encode with it, give it as an encoder"
        )


def _padded(tokens: Tokens, rows: np.ndarray, tokenizer: Any) -> dict[str, np.ndarray]:
    """Return the matrices of one batch; where all rows are of one length, nothing has to be masked."""
    lengths = tokens.lengths[rows]
    fills = {"input_ids": tokenizer.pad_token_id or 0, "token_type_ids": tokenizer.pad_token_type_id}
    matrices = tokens.padded(rows, int(lengths.max()), fills, left=tokenizer.padding_side == "left")
    if lengths.min() == lengths.max():
        del matrices["attention_mask"]
    return matrices


def _commit(model: CrossEncoder) -> str | None:
    commit: str | None = getattr(model.config, "_commit_hash", None)
    return commit
