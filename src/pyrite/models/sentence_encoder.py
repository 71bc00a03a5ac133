"""Encoders through sentence-transformers: transformers of every kind and static embeddings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pyrite.data import ScoreKind
from pyrite.errors import ModelError
from pyrite.extras import locate
from pyrite.models.adapters import merge_adapters
from pyrite.models.causal_encoder import load_causal_encoder
from pyrite.models.folder import ModelFolder
from pyrite.models.int8_linear import quantise_linear_layers
from pyrite.models.origin import Origin, with_bases
from pyrite.models.packed_linear import pack_linear_layers
from pyrite.models.precision import Arithmetic, Backend, EncoderPrecision, Precision, torch_dtype
from pyrite.models.prompts import family_prompts, own_prompts
from pyrite.models.protocols import Role
from pyrite.models.remote_code import allow_code, check_pinned
from pyrite.models.settings import CausalLMSettings, EncoderSettings, Prompts, SentenceTransformerSettings
from pyrite.models.static_encoder import mean_vectors, tokenise
from pyrite.models.transformer_loop import encode_texts
from pyrite.settings import Json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import Tensor

__all__ = ["SentenceEncoder", "hub_origin", "load_sentence_transformer", "save_model"]

_LOG = logging.getLogger(__name__)


class SentenceEncoder:
    """An `Encoder` around a sentence-transformers model.

    Vectors have unit length, so that scores are cosines.

    Args:
        model: The loaded model.
        prompts: What stands in front of queries and documents.
        batch_size: Texts encoded at once; changes the speed only.
        weights: The identity of the weights: a content hash, or a hub name with its commit.

    Example:
        ```python
        encoder = SentenceEncoder.load("sentence-transformers/all-MiniLM-L6-v2")
        encoder.encode(["what is pyrite"], "query").shape  # (1, 384)
        ```
    """

    def __init__(self, model: SentenceTransformer, prompts: Prompts, batch_size: int, weights: Json) -> None:
        self._model = model
        self._weights = weights
        self._computed = str(next(iter(model.parameters())).dtype)
        self._threads = False
        self.prompts = prompts
        self.batch_size = batch_size

    @classmethod
    def load(
        cls,
        model: str | Path | SentenceTransformerSettings,
        *,
        prompts: Literal["auto", "none"] | Prompts = "auto",
        device: str = "auto",
        precision: EncoderPrecision = "fp32",
        backend: Backend = "torch",
        max_length: int | None = None,
        batch_size: int = 64,
    ) -> SentenceEncoder:
        """Load a folder, or a model of the hub.

        Args:
            model: The folder or name; or settings, which then say prompts and maximum length too.
            prompts: `auto` for the model's own or its family's, `none`, or the two texts.
            device: `auto`, `cpu`, `cuda` or `cuda:N`.
            precision: What a transformer computes in; `int8` on a CPU alone, by torch.
            backend: What runs a transformer; all but torch on a CPU alone.
            max_length: Tokens after which a text is cut; the model's own where None.
            batch_size: Texts encoded at once.

        Raises:
            ModelError: It cannot be loaded, or not run so.
            MissingExtraError: The backend is not installed.
        """
        settings = (
            model
            if isinstance(model, SentenceTransformerSettings)
            else SentenceTransformerSettings(model=str(model), prompts=prompts, max_length=max_length)
        )
        by_torch = backend == "torch"
        if device == "auto" and (not by_torch or precision == "int8"):
            device = "cpu"
        # Other backends and 8 bits start from the weights as they are.
        loaded_in: Precision = "fp32" if not by_torch or precision == "int8" else precision
        loaded = load_sentence_transformer(settings, device=device, precision=loaded_in)
        folder = settings.local_folder()
        weights = ModelFolder(folder).fingerprint() if folder else {"name": settings.model, "commit": _commit(loaded)}
        encoder = cls(loaded, Prompts.model_validate(_prompts_of(loaded)), batch_size, weights)
        if not by_torch:
            from pyrite.models.exported import run_by_backend

            run_by_backend(loaded, Arithmetic(precision=precision, backend=backend))
            encoder._computed = f"{precision} by {backend}"
        elif precision == "int8":
            quantise_linear_layers(loaded)
            encoder._computed = "int8"
            encoder._threads = True
        elif loaded.device.type == "cpu" and not encoder.is_static:
            pack_linear_layers(loaded)
            encoder._threads = True
        return encoder

    @property
    def dimension(self) -> int:
        """The number of components of a vector."""
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def score_kind(self) -> ScoreKind:
        """Cosines."""
        return ScoreKind.COSINE

    @property
    def is_static(self) -> bool:
        """Whether the model is a static embedding, a mean of token vectors, with nothing but scaling behind it."""
        modules: Iterable[Any] = self._model
        first, *others = (type(module).__name__ for module in modules)
        return first == "StaticEmbedding" and set(others) <= {"Normalize"}

    def encode(self, texts: Sequence[str], role: Role) -> np.ndarray:
        """Return unit vectors: float32, shape (len(texts), dimension)."""
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        prompt = self.prompts.query if role == "query" else self.prompts.document
        if self.is_static:
            return self._encode_static([prompt + text for text in texts] if prompt else texts)
        distinct = list(dict.fromkeys(texts))
        vectors = encode_texts(self._model, distinct, prompt, self.batch_size, in_threads=self._threads)
        if vectors is None:
            vectors = self._encode_by_library(distinct, prompt)
        if len(distinct) == len(texts):
            return vectors
        rows = {text: row for row, text in enumerate(distinct)}
        return vectors[[rows[text] for text in texts]]

    def _encode_by_library(self, texts: list[str], prompt: str) -> np.ndarray:
        vectors = self._model.encode(
            texts,
            prompt=prompt or None,
            batch_size=self.batch_size,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        # In half precision a vector scaled by the library would be off unit length.
        return np.ascontiguousarray(_unit(vectors).to("cpu").numpy())

    def _encode_static(self, texts: Sequence[str]) -> np.ndarray:
        """Encode without what a transformer needs: offsets of tokens, batches, a device."""
        module: Any = self._model[0]
        return mean_vectors(module.embedding.weight.detach().float().cpu(), *tokenise(module.tokenizer, texts))

    def identity(self) -> Json:
        """Return weights, prompts, pooling, maximum length and precision."""
        modules: Iterable[Any] = self._model
        pooling = next((m.get_config_dict() for m in modules if type(m).__name__ == "Pooling"), None)
        length = self._model.max_seq_length
        return {
            "weights": self._weights,
            "prompts": self.prompts.identity(),
            "pooling": pooling,
            "max_length": None if self.is_static else length,
            "precision": self._computed,
        }


def load_sentence_transformer(
    settings: EncoderSettings, device: str = "cpu", precision: Precision = "fp32"
) -> SentenceTransformer:
    """Load the model that settings name, with the resolved prompts in its `prompts`.

    Raises:
        ModelError: It cannot be loaded; says what to check.
        MissingExtraError: WordLlama's wheel is not installed.
    """
    if isinstance(settings, CausalLMSettings):
        return load_causal_encoder(settings, "cpu" if device == "auto" else device)
    if not isinstance(settings, SentenceTransformerSettings):
        return _load_wordllama(device)
    folder = settings.local_folder()
    check_pinned(settings.model, settings.revision, trust=settings.trust_remote_code, local=folder is not None)
    from sentence_transformers import SentenceTransformer

    try:
        with nullcontext(settings.model) if folder is None else with_bases(folder) as place:
            model = SentenceTransformer(
                str(place),
                device=None if device == "auto" else device,
                revision=settings.revision,
                trust_remote_code=settings.trust_remote_code,
                model_kwargs={"dtype": torch_dtype(precision)},
            )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(
            f"{settings.model}: cannot be loaded as a sentence-transformers model ({type(error).__name__}: {error}). "
            "Give a folder with config.json and weights, or a model's name on the hub and a network"
        ) from error
    merge_adapters(model)
    if precision == "fp32":
        # Modules behind the transformer know nothing of the type.
        model.to(torch_dtype("fp32"))
    if settings.max_length is not None:
        _set_max_length(model, settings.max_length)
    _set_prompts(model, _resolve_prompts(settings, model))
    return model


def _set_max_length(model: SentenceTransformer, tokens: int) -> None:
    if type(model[0]).__name__ == "StaticEmbedding":
        raise ModelError("max_length: a static embedding reads every token of a text; leave max_length out")
    model.max_seq_length = tokens


def save_model(model: SentenceTransformer, folder: Path) -> None:
    """Write a model where `SentenceTransformer(folder)` finds it, prompts included.

    Code that came with the model, and was allowed to run, is written and allowed here too.
    """
    model.save_pretrained(str(folder), create_model_card=False)
    if model.trust_remote_code:
        allow_code(folder)


def _resolve_prompts(settings: SentenceTransformerSettings, model: SentenceTransformer) -> Prompts:
    if isinstance(settings.prompts, Prompts):
        return settings.prompts
    if settings.prompts == "none":
        return Prompts()
    found = own_prompts(model.prompts) or family_prompts(settings.model)
    if found is None and "instruct" in settings.model.lower():
        _LOG.warning(
            "%s looks instruction-tuned and carries no prompts: give `prompts`, or scores will be poor", settings.model
        )
    return found or Prompts()


def _set_prompts(model: SentenceTransformer, prompts: Prompts) -> None:
    model.prompts = {"query": prompts.query, "document": prompts.document}
    model.default_prompt_name = None


def _prompts_of(model: SentenceTransformer) -> dict[str, str]:
    return {"query": model.prompts.get("query") or "", "document": model.prompts.get("document") or ""}


def _load_wordllama(device: str) -> SentenceTransformer:
    package = locate("wordllama", "demo")
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    tensors = load_file(package / "weights" / "l2_supercat_256.safetensors")
    weights = tensors["embedding.weight"].float()
    tokenizer = Tokenizer.from_file(str(package / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    # Both are set for another library's padded batches; a mean over tokens wants neither.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    module = StaticEmbedding(tokenizer, embedding_weights=weights)
    model = SentenceTransformer(modules=[module], device="cpu" if device == "auto" else device)
    _set_prompts(model, Prompts())
    return model


def _unit(vectors: Tensor) -> Tensor:
    from torch.nn.functional import normalize

    return normalize(vectors.float(), dim=1)


def hub_origin(settings: EncoderSettings, model: SentenceTransformer) -> Origin | None:
    """Return the model of the hub whose weights a loaded one has, as they are there; None where it has others.

    Args:
        settings: What it was loaded by.
        model: The model; adapters on the hub are merged in it, so that it has other weights.
    """
    if not isinstance(settings, SentenceTransformerSettings | CausalLMSettings):
        return None
    if settings.local_folder() is not None or type(model[0]).__name__ != "Transformer":
        return None
    from transformers.utils.peft_utils import find_adapter_config_file

    if find_adapter_config_file(settings.model, revision=settings.revision) is not None:
        return None
    return Origin(settings.model, _commit(model))


def _commit(model: SentenceTransformer) -> str | None:
    config = getattr(getattr(model[0], "model", None), "config", None)
    commit: str | None = getattr(config, "_commit_hash", None)
    return commit
