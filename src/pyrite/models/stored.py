"""Encoders in a folder: brought in once, opened by every step that uses them."""

from __future__ import annotations

from pathlib import Path

from pyrite.data import Corpus, Queries
from pyrite.errors import ModelError
from pyrite.models.folder import ModelFolder
from pyrite.models.origin import note_origin
from pyrite.models.precision import Arithmetic
from pyrite.models.prompts import read_prompts
from pyrite.models.protocols import Encoder
from pyrite.models.remote_code import code_allowed
from pyrite.models.settings import EncoderSettings, OpenAISettings, PrecomputedSettings, SentenceTransformerSettings

__all__ = ["bring_encoder", "open_encoder"]


def bring_encoder(
    settings: EncoderSettings, folder: Path, corpus: Corpus | None = None, queries: Queries | None = None
) -> ModelFolder:
    """Write the encoder that settings name into a folder.

    Args:
        settings: Which encoder.
        folder: Made where missing.
        corpus: The documents whose vectors are imported, for precomputed vectors alone.
        queries: The queries likewise.

    Raises:
        ModelError: It cannot be loaded or reached, or wants other tables than it was given.
        DataError: The vectors do not fit their texts.
        MissingExtraError: A package that it needs is not installed.
    """
    if isinstance(settings, PrecomputedSettings):
        if corpus is None or queries is None:
            raise ModelError("an encoder of type 'precomputed' wants the corpus and the queries that its ids belong to")
        from pyrite.models.precomputed import import_vectors

        import_vectors(settings, corpus, queries, folder)
    elif corpus is not None or queries is not None:
        raise ModelError(f"an encoder of type {settings.type!r} takes neither corpus nor queries; leave them out")
    elif isinstance(settings, OpenAISettings):
        from pyrite.models.endpoint import EndpointEncoder

        EndpointEncoder(settings).save(folder)
    else:
        from pyrite.models.sentence_encoder import hub_origin, load_sentence_transformer, save_model

        loaded = load_sentence_transformer(settings)
        save_model(loaded, folder)
        if (origin := hub_origin(settings, loaded)) is not None:
            note_origin(folder, origin)
    return ModelFolder(folder, disposable=True)


def open_encoder(
    model: ModelFolder, *, device: str = "auto", arithmetic: Arithmetic | None = None, batch_size: int = 64
) -> Encoder:
    """Return the encoder of a folder that `bring_encoder` or a trainer wrote.

    Args:
        model: The folder.
        device: `auto`, `cpu`, `cuda` or `cuda:N`; for a transformer.
        arithmetic: How a transformer computes; in fp32 by torch where None.
        batch_size: How many texts of full length a transformer reads at once.

    Raises:
        ModelError: It cannot be loaded, or cannot compute so.
    """
    how = arithmetic or Arithmetic()
    if model.type == "sentence-transformers":
        from pyrite.models.sentence_encoder import SentenceEncoder

        # What was decided when the model was brought in stands in the folder: no prompts means none, whatever the path
        # is called, and code lies there only where someone asked for it.
        settings = SentenceTransformerSettings(
            model=str(model.path), prompts=read_prompts(model.path), trust_remote_code=code_allowed(model.path)
        )
        return SentenceEncoder.load(
            settings, device=device, precision=how.precision, backend=how.backend, batch_size=batch_size
        )
    if how != Arithmetic():
        raise ModelError(
            f"precision {how.precision}, backend {how.backend}: only a transformer can be told how to compute, not an "
            f"encoder of type {model.type!r}"
        )
    if model.type == "openai":
        from pyrite.models.endpoint import EndpointEncoder

        return EndpointEncoder.open(model.path)
    from pyrite.models.precomputed import PrecomputedVectors

    return PrecomputedVectors(model.path)
