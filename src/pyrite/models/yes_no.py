"""A language model as a reranker: it is asked whether the document answers the query, and its next token is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.devices import compute_batches, replicate, resolve_devices
from pyrite.models.folder import ModelFolder
from pyrite.models.precision import torch_dtype
from pyrite.models.question import Question
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.token_batches import Tokens, cut_batches
from pyrite.settings import Json

if TYPE_CHECKING:
    import torch

__all__ = ["YesNoScorer", "load_causal_model", "log_odds", "next_token_inputs", "next_token_logits"]

BATCH_TOKENS = 8192
"""Tokens in one batch, padding included."""


class YesNoScorer:
    """Scores a pair by the log-odds of yes against no as the first token of a causal language model's answer.

    The score is ln(sum of e^l over the tokens of yes) - ln(the same over those of no), l the logits of the next token.
    With one token each it is the difference of two logits, and its sigmoid P(yes) / (P(yes) + P(no)), as UniME-V2
    (arXiv 2510.13515) has it. Adding up the forms of an answer is ours.

    Args:
        settings: Template, answers, length.
        network: A Hugging Face model for causal language modelling, on its device; `load` makes one.
        tokenizer: Its tokenizer.
        batch_tokens: Tokens in one batch, padding included. Does not enter the identity.
        copies: The same model on further devices, to compute there as well.
        weights: What identifies the weights, such as a fingerprint.

    Raises:
        ModelError: Yes or no is no single token of this model, or one token stands for both.

    Example:
        ```python
        scorer = YesNoScorer.load(YesNoSettings(model="Qwen/Qwen3-4B", revision="...", precision="bf16"))
        scorer.score([("what is fool's gold", "Pyrite is called fool's gold.")])
        ```
    """

    def __init__(
        self,
        settings: YesNoSettings,
        network: Any,
        tokenizer: Any,
        *,
        batch_tokens: int = BATCH_TOKENS,
        copies: Sequence[Any] = (),
        weights: Json = None,
    ) -> None:
        self._settings = settings
        self._network = network.eval()
        self._question = Question(settings, tokenizer)
        self._copies = [network, *copies]
        self._batch_tokens = batch_tokens
        self._weights = weights

    @classmethod
    def load(
        cls, model: str | Path | YesNoSettings, *, device: str = "auto", batch_tokens: int = BATCH_TOKENS
    ) -> YesNoScorer:
        """Load a folder, or a model of the hub.

        Args:
            model: The folder or name, or settings.
            device: `auto`, `cpu`, `cuda`, `cuda:N`, or several, parted by commas.
            batch_tokens: Tokens in one batch.

        Raises:
            ModelError: It cannot be loaded, or has no single token for yes or no.
        """
        settings = model if isinstance(model, YesNoSettings) else YesNoSettings(model=str(model))
        devices = resolve_devices(device)
        network, tokenizer = load_causal_model(settings)
        folder = settings.local_folder()
        commit = getattr(network.config, "_commit_hash", None)
        weights = ModelFolder(folder).fingerprint() if folder else {"name": settings.model, "commit": commit}
        first, *copies = replicate(network.eval(), devices)
        return cls(settings, first, tokenizer, batch_tokens=batch_tokens, copies=copies, weights=weights)

    @property
    def score_kind(self) -> ScoreKind:
        """Logits."""
        return ScoreKind.LOGIT

    def score(self, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
        """Return one score for each (query text, document text): float64, shape (len(pairs),).

        Raises:
            ModelError: A query leaves no room for a document within the maximum length.
        """
        unique = list(dict.fromkeys(pairs))
        if not unique:
            return np.zeros(0, dtype=np.float64)
        tokens = self._question.tokens(unique)

        def compute(network: Any, rows: np.ndarray) -> np.ndarray:
            import torch

            with torch.inference_mode():
                inputs = next_token_inputs(network, tokens, rows, self._question.pad)
                logits = next_token_logits(network, inputs).to("cpu", dtype=torch.float64)
                scores: np.ndarray = log_odds(logits, self._question).numpy()
            return scores

        scores = compute_batches(cut_batches(tokens.lengths, self._batch_tokens), self._copies, compute)
        place = {pair: row for row, pair in enumerate(unique)}
        chosen: np.ndarray = scores[[place[pair] for pair in pairs]]
        return chosen

    def identity(self) -> Json:
        """Return weights, question, answers, maximum length and precision."""
        return {
            "weights": self._weights,
            "question": list(self._question.frame.parts),
            "query_first": self._question.frame.query_first,
            "answers": [self._question.yes, self._question.no],
            "max_length": self._settings.max_length,
            "precision": str(next(iter(self._network.parameters())).dtype),
        }


def next_token_inputs(network: Any, tokens: Tokens, rows: np.ndarray, pad: int) -> dict[str, torch.Tensor]:
    """Return some texts as `next_token_logits` takes them, on the network's device.

    Args:
        network: A Hugging Face model for causal language modelling.
        tokens: Texts.
        rows: Which of them, shape (n,).
        pad: What stands where a text has no token.
    """
    import torch

    # On the left, so that the last position is the end of every text.
    matrices = tokens.padded(rows, int(tokens.lengths[rows].max()), {"input_ids": pad}, left=True)
    tensors = {name: torch.from_numpy(value).to(network.device) for name, value in matrices.items()}
    if _takes_positions(network):
        tensors["position_ids"] = (tensors["attention_mask"].cumsum(-1) - 1).clamp(min=0)
    return tensors


def next_token_logits(network: Any, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the logits of the token that follows each text: shape (texts, vocabulary).

    Args:
        network: A Hugging Face model for causal language modelling.
        inputs: Of `next_token_inputs`.
    """
    logits: torch.Tensor = network(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]
    return logits


def log_odds(logits: torch.Tensor, question: Question) -> torch.Tensor:
    """Return the log-odds of yes against no, given the logits of the next token: shape (n,)."""
    return logits[:, question.yes].logsumexp(-1) - logits[:, question.no].logsumexp(-1)


def load_causal_model(settings: YesNoSettings) -> tuple[Any, Any]:
    """Load the model and the tokenizer that settings name, on the CPU.

    Raises:
        ModelError: They cannot be loaded, or the folder lacks weights that a causal language model has; says what to
            check.
    """
    folder = settings.local_folder()
    if settings.trust_remote_code and folder is None and settings.revision is None:
        raise ModelError(
            f"{settings.model}: trust_remote_code wants a revision (a commit): code may change under a name"
        )
    from transformers import AutoModelForCausalLM, AutoTokenizer

    name = str(folder or settings.model)
    options: Any = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    try:
        load: Any = AutoModelForCausalLM.from_pretrained
        network, told = load(name, dtype=torch_dtype(settings.precision), output_loading_info=True, **options)
        tokenizer = AutoTokenizer.from_pretrained(name, **options)
    except Exception as error:
        raise ModelError(
            f"{settings.model}: cannot be loaded as a causal language model ({type(error).__name__}: {error}). "
            "Give a folder with config.json, weights and a tokenizer, or a model's name on the hub and a network"
        ) from error
    # transformers fills what is missing with random numbers, and the scores would be noise.
    if missing := sorted(told["missing_keys"]):
        raise ModelError(
            f"{settings.model}: is no causal language model: its weights lack {', '.join(missing[:3])}"
            f"{', ...' if len(missing) > 3 else ''}. Give one, or take the type cross-encoder for a cross-encoder"
        )
    return network, tokenizer


def _takes_positions(network: Any) -> bool:
    import inspect

    return "position_ids" in inspect.signature(network.forward).parameters
