"""A causal language model made an encoder: its body without the head, the last token's vector, unit length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyrite.errors import ModelError
from pyrite.models.precision import torch_dtype
from pyrite.models.prompts import instruction_prompts
from pyrite.models.remote_code import check_pinned
from pyrite.models.settings import CausalLMSettings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

__all__ = ["load_causal_encoder"]


def load_causal_encoder(settings: CausalLMSettings, device: str = "cpu") -> SentenceTransformer:
    """Return an encoder of a causal language model, with the prompts of its task.

    Each text ends with the model's token for the end of a text, which no text holds: its vector has read all of the
    text and nothing of its own. Padding stands on the right, where no token of a causal model looks; on the left it
    would shift absolute positions.

    Raises:
        ModelError: It cannot be loaded, is no causal model, lacks weights or a token for the end, or its prompt
            leaves no room for a query; says what to do.
    """
    check_pinned(
        settings.model,
        settings.revision,
        trust=settings.trust_remote_code,
        local=settings.local_folder() is not None,
    )
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Transformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    name = str(settings.local_folder() or settings.model)
    options: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    weights = {**options, "dtype": torch_dtype(settings.precision)}
    try:
        with _quiet():
            _check_body(name, weights)
            transformer = Transformer(
                name,
                max_seq_length=settings.max_length,
                model_kwargs=weights,
                processor_kwargs=dict(options),
                config_kwargs=dict(options),
                # Texts are read as they are, also where there is a chat template.
                modality_config={"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
                module_output_name="token_embeddings",
            )
    except ModelError as error:
        raise ModelError(f"{settings.model}: {error}") from error
    except Exception as error:
        raise ModelError(
            f"{settings.model}: cannot be loaded as a causal language model ({type(error).__name__}: {error}). "
            "Give a folder with config.json, weights and a tokenizer, or a model's name on the hub and a network"
        ) from error
    tokenizer = _ending_tokenizer(transformer.tokenizer, settings)
    transformer.processor = tokenizer
    for token in ("bos", "eos", "pad"):
        setattr(transformer.config, f"{token}_token_id", getattr(tokenizer, f"{token}_token_id"))
    size = transformer.get_embedding_dimension()
    model = SentenceTransformer(
        modules=[transformer, Pooling(size, "lasttoken"), Normalize()],
        device=device,
        trust_remote_code=settings.trust_remote_code,
    )
    prompts = instruction_prompts(settings.task, settings.examples)
    _check_room(tokenizer, prompts.query, settings)
    model.prompts = {"query": prompts.query, "document": prompts.document}
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what transformers tells of weights that are left out, the head's, and of its progress."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _check_body(name: str, options: dict[str, Any]) -> None:
    """Check that a model's body has all its weights, and that no token sees those behind it."""
    import torch
    from transformers import AutoModel

    load: Any = AutoModel.from_pretrained
    network, told = load(name, output_loading_info=True, **options)
    # transformers fills what is missing with random numbers.
    if missing := sorted(told["missing_keys"]):
        raise ModelError(f"its weights lack {', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''}")
    tokens = torch.tensor([[1, 2, 3], [1, 2, 4]]) % network.config.vocab_size
    with torch.inference_mode():
        first, second = network.eval()(input_ids=tokens).last_hidden_state[:, :2].float()
    if not torch.allclose(first, second, rtol=1e-3, atol=1e-3 * float(first.abs().max())):
        raise ModelError(
            "its tokens see those behind them, so that it is no causal language model; take type: "
            "sentence-transformers for an encoder"
        )


def _ending_tokenizer(tokenizer: Any, settings: CausalLMSettings) -> Any:
    """Return a tokenizer that pads on the right and puts the token for the end behind each text, even a cut one."""
    from tokenizers.processors import Sequence, TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    end = tokenizer.eos_token
    if end is None:
        raise ModelError(
            f"{settings.model}: its tokenizer has no token for the end of a text (eos_token); set one in its "
            "tokenizer_config.json"
        )
    backend = tokenizer.backend_tokenizer
    if tokenizer("a")["input_ids"][-1:] != [tokenizer.eos_token_id]:
        ending = TemplateProcessing(single=["$A", end], special_tokens=[(end, tokenizer.eos_token_id)])
        first = backend.post_processor
        backend.post_processor = ending if first is None else Sequence([first, ending])
    # A tokenizer of a family's own class would build its post-processor anew when it is loaded.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend,
        bos_token=tokenizer.bos_token,
        eos_token=end,
        unk_token=tokenizer.unk_token,
        pad_token=tokenizer.pad_token or end,
        model_max_length=tokenizer.model_max_length,
        padding_side="right",
        model_input_names=["input_ids", "attention_mask"],
    )


def _check_room(tokenizer: Any, prompt: str, settings: CausalLMSettings) -> None:
    taken = len(tokenizer(prompt)["input_ids"])
    if taken >= tokenizer.model_max_length:
        raise ModelError(
            f"{settings.model}: the instruction and its examples take {taken} of {tokenizer.model_max_length} tokens, "
            "and leave no room for a query; give a larger max_length, or fewer examples"
        )
