"""A language model as a reranker: it is asked whether the document answers the query, and its next token is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.models.devices import compute_batches, replicate, resolve_devices
from pyrite.models.folder import ModelFolder
from pyrite.models.precision import torch_dtype
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.token_batches import Tokens, cut_batches
from pyrite.settings import Json

__all__ = ["QUESTION", "YesNoScorer", "answer_tokens", "load_causal_model"]

QUESTION = """\
You check search results. Read the query and the document. Does the document contain what the query asks for?
Answer with one word, yes or no.

Query: {query}

Document: {document}

Answer:"""
"""The question, version 1. The query stands before the document, so that servers and caches can share a query's
beginning among its documents. Another wording is another scorer: the whole text is part of the identity."""

BATCH_TOKENS = 8192
"""Tokens in one batch, padding included."""

_MARK = "\ue000"
"""Stands for a text while the question is rendered: a character for private use, in no template."""


@dataclass(frozen=True)
class _Causal:
    """A model with its tokenizer, and a sign for whether it takes positions."""

    network: Any
    tokenizer: Any
    takes_positions: bool


@dataclass(frozen=True)
class _Frame:
    """The question without its texts: what stands before, between and after them."""

    parts: tuple[str, str, str]
    query_first: bool

    def fill(self, query: str, document: str) -> str:
        """Return the question on a pair. Braces in the texts mean nothing."""
        before, between, after = self.parts
        first, second = (query, document) if self.query_first else (document, query)
        return before + first + between + second + after


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
        self._model = _Causal(network.eval(), tokenizer, _takes_positions(network))
        self._copies = [network, *copies]
        self._yes, self._no = answer_tokens(tokenizer, settings)
        self._batch_tokens = batch_tokens
        self._weights = weights
        self._chat = bool(tokenizer.chat_template) if settings.chat is None else settings.chat
        self._frame = _frame(settings, tokenizer if self._chat else None)

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
        rows = self._model.tokenizer(self._questions(unique), add_special_tokens=not self._chat)["input_ids"]
        tokens = Tokens.of({"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]})

        def compute(network: Any, rows: np.ndarray) -> np.ndarray:
            # On the left, so that the last position is the end of every question.
            width = int(tokens.lengths[rows].max())
            return self._forward(network, tokens.padded(rows, width, {"input_ids": self._pad()}, left=True))

        scores = compute_batches(cut_batches(tokens.lengths, self._batch_tokens), self._copies, compute)
        place = {pair: row for row, pair in enumerate(unique)}
        chosen: np.ndarray = scores[[place[pair] for pair in pairs]]
        return chosen

    def identity(self) -> Json:
        """Return weights, question, answers, maximum length and precision."""
        return {
            "weights": self._weights,
            "question": list(self._frame.parts),
            "query_first": self._frame.query_first,
            "answers": [self._yes, self._no],
            "max_length": self._settings.max_length,
            "precision": str(next(iter(self._model.network.parameters())).dtype),
        }

    def _pad(self) -> int:
        tokenizer = self._model.tokenizer
        return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0)

    def _questions(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return what the model reads for each pair; documents are cut so that the question around them stays whole."""
        limit = self._settings.max_length
        if limit is None:
            return [self._frame.fill(*pair) for pair in pairs]
        tokenizer = self._model.tokenizer
        queries = list(dict.fromkeys(query for query, _ in pairs))
        bare = tokenizer([self._frame.fill(query, "") for query in queries], add_special_tokens=not self._chat)
        room = {query: limit - len(ids) for query, ids in zip(queries, bare["input_ids"], strict=True)}
        for query, left in room.items():
            if left < 1:
                raise ModelError(
                    f"max_length: {limit} tokens leave no room for a document beside the question and the query "
                    f"{query[:60]!r}, which take {limit - left}; give more"
                )
        documents = list(dict.fromkeys(document for _, document in pairs))
        cut = tokenizer(documents, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        ends = dict(zip(documents, cut, strict=True))
        return [self._frame.fill(query, _head(document, ends[document], room[query])) for query, document in pairs]

    def _forward(self, network: Any, features: dict[str, np.ndarray]) -> np.ndarray:
        import torch

        tensors = {name: torch.from_numpy(value).to(network.device) for name, value in features.items()}
        if self._model.takes_positions:
            tensors["position_ids"] = (tensors["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            logits = network(**tensors, logits_to_keep=1, use_cache=False).logits[:, -1].to("cpu", dtype=torch.float64)
            scores: np.ndarray = (logits[:, self._yes].logsumexp(-1) - logits[:, self._no].logsumexp(-1)).numpy()
        return scores


def _frame(settings: YesNoSettings, chat: Any | None) -> _Frame:
    """Render the question once, through the chat template of a tokenizer where one is given."""
    text = settings.template or QUESTION
    query_first = text.index("{query}") < text.index("{document}")
    first, second = ("{query}", "{document}") if query_first else ("{document}", "{query}")
    head, _, rest = text.partition(first)
    marked = head + _MARK + rest.replace(second, _MARK, 1)
    if chat is not None:
        if not chat.chat_template:
            raise ModelError(f"{settings.model}: has no chat template; leave `chat` out or set it to false")
        message = [{"role": "user", "content": marked}]
        # Models that think aloud are asked not to: the next token has to be the answer.
        options: Any = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        marked = str(chat.apply_chat_template(message, **options))
    parts = marked.split(_MARK)
    if len(parts) != 3:
        raise ModelError(
            f"{settings.model}: its chat template does not pass a message on as it is; set `chat` to false"
        )
    return _Frame((parts[0], parts[1], parts[2]), query_first)


def answer_tokens(tokenizer: Any, settings: YesNoSettings) -> tuple[list[int], list[int]]:
    """Return the ids of the tokens that mean yes, and of those that mean no.

    Raises:
        ModelError: None of the forms of an answer is one token, or one token stands for both.
    """
    yes, no = (_single_tokens(tokenizer, forms) for forms in (settings.yes, settings.no))
    for name, found, forms in (("yes", yes, settings.yes), ("no", no, settings.no)):
        if not found:
            raise ModelError(
                f"{name}: none of {list(forms)} is one token of this model, so that its next token cannot be read as "
                f"an answer; give forms that are, and a template that asks for them"
            )
    if set(yes) & set(no):
        raise ModelError(f"yes, no: the tokens {sorted(set(yes) & set(no))} stand for both; give other forms")
    return yes, no


def _single_tokens(tokenizer: Any, forms: Sequence[str]) -> list[int]:
    encoded = [tokenizer.encode(form, add_special_tokens=False) for form in forms]
    return sorted({ids[0] for ids in encoded if len(ids) == 1 and ids[0] != tokenizer.unk_token_id})


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


def _head(document: str, offsets: Sequence[tuple[int, int]], tokens: int) -> str:
    return document if len(offsets) <= tokens else document[: offsets[tokens - 1][1]]


def _takes_positions(network: Any) -> bool:
    import inspect

    return "position_ids" in inspect.signature(network.forward).parameters
