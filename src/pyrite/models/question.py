"""What a language model is asked about a query and a document, and the tokens that are an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyrite.errors import ModelError
from pyrite.models.scorer_settings import YesNoSettings
from pyrite.models.token_batches import Tokens

__all__ = ["QUESTION", "Frame", "Heads", "Question", "answer_tokens", "single_tokens"]

QUESTION = """\
You check search results. Read the query and the document. Does the document contain what the query asks for?
Answer with one word, yes or no.

Query: {query}

Document: {document}

Answer:"""
"""The question, version 1. The query stands before the document, so that servers and caches can share a query's
beginning among its documents. Another wording is another scorer: the whole text is part of the identity."""

_MARK = "\ue000"
"""Stands for a text while the question is rendered: a character for private use, in no template."""


@dataclass(frozen=True)
class Frame:
    """A question without its two texts: what stands before, between and after them.

    Attributes:
        parts: The three.
        query_first: Whether the query comes before the other text.
    """

    parts: tuple[str, str, str]
    query_first: bool

    @classmethod
    def render(cls, model: str, text: str, other: str, chat: Any | None) -> Frame:
        """Render a template once, through the chat template of a tokenizer where one is given.

        Args:
            model: The model's name, for messages.
            text: The template, with `{query}` and the other place in it.
            other: The other place, such as "{document}".
            chat: The tokenizer, or None for the template as it stands.

        Raises:
            ModelError: The tokenizer has no chat template, or one that does not pass a message on as it is.
        """
        query_first = text.index("{query}") < text.index(other)
        first, second = ("{query}", other) if query_first else (other, "{query}")
        head, _, rest = text.partition(first)
        marked = head + _MARK + rest.replace(second, _MARK, 1)
        if chat is not None:
            if not chat.chat_template:
                raise ModelError(f"{model}: has no chat template; leave `chat` out or set it to false")
            message = [{"role": "user", "content": marked}]
            # Models that think aloud are asked not to: the next token has to be the answer.
            options: Any = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
            marked = str(chat.apply_chat_template(message, **options))
        parts = marked.split(_MARK)
        if len(parts) != 3:
            raise ModelError(f"{model}: its chat template does not pass a message on as it is; set `chat` to false")
        return cls((parts[0], parts[1], parts[2]), query_first)

    def fill(self, query: str, document: str) -> str:
        """Return the question on a pair. Braces in the texts mean nothing."""
        before, between, after = self.parts
        first, second = (query, document) if self.query_first else (document, query)
        return before + first + between + second + after


@dataclass(frozen=True)
class Heads:
    """Cuts texts where a token ends.

    Attributes:
        offsets: For each text, where its tokens begin and end.
    """

    offsets: dict[str, Sequence[tuple[int, int]]]

    def __call__(self, text: str, tokens: int) -> str:
        """Return the beginning of a text, of at most so many tokens."""
        offsets = self.offsets[text]
        return text if len(offsets) <= tokens else text[: offsets[tokens - 1][1] if tokens > 0 else 0]


class Question:
    """The question of yes or no, as tokens of one model.

    Args:
        settings: Template, answers, length.
        tokenizer: The model's.

    Attributes:
        frame: The question without its texts.
        yes: The tokens that mean yes.
        no: Those that mean no.
        chat: Whether the question goes through the chat template, which then brings the special tokens.
        pad: What stands where a text has no token.

    Raises:
        ModelError: Yes or no is no single token of this model, or one token stands for both; or the chat template does
            not fit.
    """

    def __init__(self, settings: YesNoSettings, tokenizer: Any) -> None:
        self._settings = settings
        self._tokenizer = tokenizer
        self.yes, self.no = answer_tokens(tokenizer, settings)
        self.chat = bool(tokenizer.chat_template) if settings.chat is None else settings.chat
        self.frame = Frame.render(settings.model, settings.template or QUESTION, "{document}", self._chat_tokenizer)
        self.pad = int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0)

    @property
    def _chat_tokenizer(self) -> Any | None:
        return self._tokenizer if self.chat else None

    def of_list(self, template: str) -> Frame:
        """Return the frame of another question, with `{query}` and `{documents}` in it."""
        return Frame.render(self._settings.model, template, "{documents}", self._chat_tokenizer)

    def tokens(self, pairs: Sequence[tuple[str, str]]) -> Tokens:
        """Return the question on each (query text, document text), as tokens; see `texts`."""
        return self.encode(self.texts(pairs))

    def texts(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Return the question on each (query text, document text).

        Documents are cut so that the question around them stays whole.

        Raises:
            ModelError: A query leaves no room for a document within the maximum length.
        """
        limit = self._settings.max_length
        if limit is None:
            return [self.frame.fill(*pair) for pair in pairs]
        queries = list(dict.fromkeys(query for query, _ in pairs))
        room = self.room({query: self.frame.fill(query, "") for query in queries}, limit)
        heads = self.heads([document for _, document in pairs])
        return [self.frame.fill(query, heads(document, room[query])) for query, document in pairs]

    def encode(self, texts: Sequence[str]) -> Tokens:
        """Return whole questions as tokens."""
        rows = self._tokenizer(list(texts), add_special_tokens=not self.chat)["input_ids"]
        return Tokens.of({"input_ids": rows, "attention_mask": [[1] * len(row) for row in rows]})

    def heads(self, documents: Sequence[str]) -> Heads:
        """Return what cuts each of some documents after a number of tokens."""
        unique = list(dict.fromkeys(documents))
        offsets = self._tokenizer(unique, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return Heads(dict(zip(unique, offsets, strict=True)))

    def room(self, bare: Mapping[str, str], limit: int) -> dict[str, int]:
        """Return how many tokens are left for documents.

        Args:
            bare: {query: a question on it without documents}.
            limit: Tokens in all.

        Raises:
            ModelError: A query leaves none.
        """
        encoded = self._tokenizer(list(bare.values()), add_special_tokens=not self.chat)
        room = {query: limit - len(ids) for query, ids in zip(bare, encoded["input_ids"], strict=True)}
        for query, left in room.items():
            if left < 1:
                raise ModelError(
                    f"max_length: {limit} tokens leave no room for a document beside the question and the query "
                    f"{query[:60]!r}, which take {limit - left}; give more"
                )
        return room


def answer_tokens(tokenizer: Any, settings: YesNoSettings) -> tuple[list[int], list[int]]:
    """Return the ids of the tokens that mean yes, and of those that mean no.

    Raises:
        ModelError: None of the forms of an answer is one token, or one token stands for both.
    """
    yes, no = (single_tokens(tokenizer, forms) for forms in (settings.yes, settings.no))
    for name, found, forms in (("yes", yes, settings.yes), ("no", no, settings.no)):
        if not found:
            raise ModelError(
                f"{name}: none of {list(forms)} is one token of this model, so that its next token cannot be read as "
                f"an answer; give forms that are, and a template that asks for them"
            )
    if set(yes) & set(no):
        raise ModelError(f"yes, no: the tokens {sorted(set(yes) & set(no))} stand for both; give other forms")
    return yes, no


def single_tokens(tokenizer: Any, forms: Sequence[str]) -> list[int]:
    """Return the ids of those forms of an answer that are one token, ascending."""
    encoded = [tokenizer.encode(form, add_special_tokens=False) for form in forms]
    return sorted({ids[0] for ids in encoded if len(ids) == 1 and ids[0] != tokenizer.unk_token_id})
