"""Settings that name a model: a folder, or a name on the hub."""

from __future__ import annotations

from pathlib import Path

from pyrite.models.folder import ModelFolder, find_folder
from pyrite.settings import Json, Settings, canonical

__all__ = ["NamedModel"]


class NamedModel(Settings):
    """A model by its folder, or by its name on the hub."""

    model: str
    """A folder, or the model's name on the hub."""

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
