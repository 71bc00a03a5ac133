"""How a file names an encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pyrite.models.folder import ModelFolder, find_folder
from pyrite.settings import Json, Settings, canonical

__all__ = ["EncoderSettings", "Prompts", "SentenceTransformerSettings", "WordLlamaSettings"]


class Prompts(Settings):
    """What is written in front of a text before it is encoded."""

    query: str = ""
    """In front of a query."""
    document: str = ""
    """In front of a document."""


class SentenceTransformerSettings(Settings):
    """Any model that sentence-transformers loads: a folder, or a name on the Hugging Face hub."""

    type: Literal["sentence-transformers"] = "sentence-transformers"
    model: str
    """A folder, or the model's name on the hub."""
    revision: str | None = None
    """The commit of a hub model. It enters the key; without it the name alone does, and what was newest when the step
    first ran is kept."""
    prompts: Literal["auto", "none"] | Prompts = "auto"
    """`auto`: the model's own prompts, else those of its family (E5); `none`; or the two texts."""
    max_length: int | None = Field(default=None, ge=2)
    """Tokens after which a text is cut; the model's own where empty."""
    trust_remote_code: bool = False
    """Whether code that comes with the model may run. Wants a revision."""

    def local_folder(self) -> Path | None:
        """Return the folder, or None for a name on the hub.

        Raises:
            SettingsError: The name is a path, and no folder is there.
        """
        return find_folder(self.model)

    def identity(self) -> Json:
        """Return the settings, with the content of a local folder in place of its path."""
        fields = {name: canonical(getattr(self, name)) for name in type(self).model_fields}
        folder = self.local_folder()
        if folder is not None:
            fields["model"] = ModelFolder(folder).fingerprint()
        return fields


class WordLlamaSettings(Settings):
    """WordLlama's 256-dimensional static embedding, whose weights its wheel carries (extra `demo`)."""

    type: Literal["wordllama"] = "wordllama"

    def identity(self) -> Json:
        """Return the type and the version of the wheel."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return {"type": self.type, "version": version("wordllama")}
        except PackageNotFoundError:
            return {"type": self.type, "version": None}


EncoderSettings = Annotated[SentenceTransformerSettings | WordLlamaSettings, Field(discriminator="type")]
"""An encoder by its `type`: `sentence-transformers` or `wordllama`."""
