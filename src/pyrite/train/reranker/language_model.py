"""A language model in training as a reranker: asked for yes or no, and for the best of a list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyrite.errors import ModelError
from pyrite.models.question import Frame, Question, single_tokens
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.token_batches import Tokens, cut_batches
from pyrite.models.yes_no import load_causal_model, log_odds, next_token_inputs, next_token_logits
from pyrite.train.reranker.networks import forget_last_call, merged_copy
from pyrite.train.settings import LoraSettings

if TYPE_CHECKING:
    import torch

    from pyrite.train.mini_batches import Features

__all__ = ["LETTERS", "LIST_QUESTION", "LanguageModelNetwork"]

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What names the documents of a list."""

LIST_QUESTION = """\
You check search results. Read the query and the documents. Which document contains what the query asks for?
Answer with its letter alone.

Query: {query}

{documents}

Answer:"""
"""The question on a list, version 1."""


class LanguageModelNetwork:
    """A causal language model, read as `YesNoScorer` reads it.

    Args:
        settings: Question, answers, length.
        network: A Hugging Face model for causal language modelling.
        tokenizer: Its tokenizer.

    Raises:
        ModelError: Yes or no is no single token of this model, or one token stands for both.
    """

    def __init__(self, settings: YesNoSettings, network: Any, tokenizer: Any) -> None:
        self._settings = settings
        self._network = network
        self._tokenizer = tokenizer
        self._question = Question(settings, tokenizer)

    @classmethod
    def load(cls, start: YesNoSettings) -> LanguageModelNetwork:
        """Load a folder, or a model of the hub, in 32 bits.

        Raises:
            ModelError: It cannot be loaded, or yes or no is no single token of it.
        """
        network, tokenizer = load_causal_model(start.model_copy(update={"precision": "fp32"}))
        return cls(start, network, tokenizer)

    @property
    def module(self) -> torch.nn.Module:
        """All of its weights."""
        module: torch.nn.Module = self._network
        return module

    def inputs(self, pairs: Sequence[tuple[str, str]], tokens: int | None) -> tuple[list[Features], np.ndarray]:
        """Return the question on each pair as the network takes it; see `ScoringNetwork`."""
        return self._cut(self._question.tokens(pairs), tokens)

    def logits(self, part: Features) -> torch.Tensor:
        """Return the log-odds of yes for each row of a mini-batch; see `ScoringNetwork`."""
        return log_odds(next_token_logits(self._network, part).float(), self._question)

    def list_inputs(
        self, queries: Sequence[str], lists: Sequence[Sequence[str]], template: str | None, tokens: int | None
    ) -> tuple[list[Features], np.ndarray]:
        """Return the question on each list as the network takes it.

        Documents share the room that the question leaves them evenly.

        Args:
            queries: B query texts.
            lists: For each query the texts of its documents, from 1 to the number of letters.
            template: The question, with `{query}` and `{documents}` in it; Pyrite's own where None.
            tokens: Tokens of a mini-batch, padding included; None for one mini-batch in the order of the queries.

        Returns:
            Mini-batches of lists of like length, the longest first, and the list of each of their rows: shape (B,).

        Raises:
            ModelError: A query leaves no room for documents.
        """
        frame = self._question.of_list(template or LIST_QUESTION)
        return self._cut(self._question.encode(self._list_texts(frame, queries, lists)), tokens)

    def choices(self, part: Features, number: int) -> torch.Tensor:
        """Return how much the model is for each document of a list to be the answer.

        It is the logarithm of the summed exponentials of the next token's logits, over the forms of a letter that are
        one token.

        Args:
            part: A mini-batch of `list_inputs`.
            number: The most documents N of a list of the batch, from 1 to the number of letters.

        Returns:
            Shape (rows, N); where a list has fewer than N documents the number means nothing.

        Raises:
            ModelError: A letter is no single token of this model.
        """
        import torch

        letters = self._letters(number)
        logits = next_token_logits(self._network, part).float()
        return torch.stack([logits[:, ids].logsumexp(-1) for ids in letters], dim=1)

    def _list_texts(self, frame: Frame, queries: Sequence[str], lists: Sequence[Sequence[str]]) -> list[str]:
        limit = self._settings.max_length
        if limit is None:
            return [frame.fill(query, _listed(documents)) for query, documents in zip(queries, lists, strict=True)]
        # A list of nothing but letters takes room as well.
        bare = {query: frame.fill(query, _listed([""] * len(some))) for query, some in zip(queries, lists, strict=True)}
        room = self._question.room(bare, limit)
        heads = self._question.heads([document for documents in lists for document in documents])
        return [
            frame.fill(query, _listed([heads(document, room[query] // len(documents)) for document in documents]))
            for query, documents in zip(queries, lists, strict=True)
        ]

    def _letters(self, number: int) -> list[list[int]]:
        """Return the tokens that stand for each of the first letters."""
        if number > len(LETTERS):
            raise ModelError(
                f"a list of {number} documents: there are {len(LETTERS)} letters to name them by; give fewer"
            )
        found = [single_tokens(self._tokenizer, (letter, f" {letter}")) for letter in LETTERS[:number]]
        missing = [letter for letter, ids in zip(LETTERS, found, strict=False) if not ids]
        if missing:
            raise ModelError(
                f"{self._settings.model}: {', '.join(missing)} is no single token of this model, so that its next "
                "token cannot be read as a letter; take fewer negatives, or another objective"
            )
        return found

    def _cut(self, texts: Tokens, tokens: int | None) -> tuple[list[Features], np.ndarray]:
        rows = [np.arange(len(texts.lengths))] if tokens is None else cut_batches(texts.lengths, tokens)
        parts = [next_token_inputs(self._network, texts, some, self._question.pad) for some in rows]
        return parts, np.concatenate(rows)

    def adapt(self, settings: LoraSettings, seed: int) -> None:
        """Freeze the weights and put adapters beside them; see `ScoringNetwork`."""
        from pyrite.train.adapters import adapt_network

        adapt_network(self._network, settings, seed)

    def checkpoint_activations(self) -> None:
        """Have the network compute its activations again; see `ScoringNetwork`."""
        from pyrite.train.adapters import checkpoint_network

        checkpoint_network(self._network)

    def save(self, folder: Path) -> None:
        """Write what `AutoModelForCausalLM` and `AutoTokenizer` load."""
        forget_last_call(self._tokenizer)
        merged_copy(self._network).save_pretrained(str(folder))
        self._tokenizer.save_pretrained(str(folder))


def _listed(documents: Sequence[str]) -> str:
    return "\n\n".join(f"{letter}: {document}" for letter, document in zip(LETTERS, documents, strict=False))
