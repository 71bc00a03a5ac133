"""Every error that Pyrite raises on purpose.

```
PyriteError
├── DataError            a file, table or record that breaks its format
├── SettingsError        a setting that is unknown, missing or out of range
├── MissingExtraError    an optional package that is not installed (also an ImportError)
├── ModelError           a model folder that cannot be loaded or does not fit its use
├── SearchError          an index asked for something that it does not hold
├── ArgumentError        an argument that a stand-in for another library's function does not take (also a ValueError)
└── PipelineError        a pipeline file, store or run that cannot be used
    ├── PlanError        a step that refers to something that does not exist
    ├── StoreError       an artifact that is missing, damaged or in use
    └── StageError       a stage that failed while it ran
```

A message says what is wrong, where, what is allowed and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ArgumentError",
    "DataError",
    "MissingExtraError",
    "ModelError",
    "PipelineError",
    "PlanError",
    "Problem",
    "PyriteError",
    "SearchError",
    "SettingsError",
    "StageError",
    "StoreError",
]

_SHOWN = 20


class PyriteError(Exception):
    """The root of all errors that Pyrite raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one place of an input.

    Attributes:
        where: The file or table.
        line: The line in the file, from 1, or None where lines mean nothing.
        what: What is wrong there and what is allowed instead.
    """

    where: str
    line: int | None
    what: str

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return f"{place}: {self.what}"


class DataError(PyriteError):
    """An input breaks its format; `problems` lists every place at once.

    Example:
        >>> error = DataError("2 bad lines", [Problem("a.tsv", 3, "2 columns, wants 3")])
        >>> print(error)
        2 bad lines
          a.tsv:3: 2 columns, wants 3
    """

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        lines = [message, *(f"  {problem}" for problem in self.problems[:_SHOWN])]
        if len(self.problems) > _SHOWN:
            lines.append(f"  ... and {len(self.problems) - _SHOWN} more")
        super().__init__("\n".join(lines))


class SettingsError(PyriteError):
    """A setting is unknown, missing or out of range; the message gives its path."""


class MissingExtraError(PyriteError, ImportError):
    """An optional package is needed and not installed; the message gives the command."""


class ModelError(PyriteError):
    """A model cannot be loaded, or does not fit what it is used for."""


class SearchError(PyriteError):
    """An index was asked for something that it does not hold."""


class ArgumentError(PyriteError, ValueError):
    """A function of `pyrite.compat` got an argument that it does not take.

    It is a ValueError too, since that is what the function that it stands in for raises.
    """


class PipelineError(PyriteError):
    """A pipeline file, a store or a run cannot be used."""


class PlanError(PipelineError):
    """A step of a pipeline refers to something that does not exist."""


class StoreError(PipelineError):
    """An artifact of the store is missing, damaged or in use by another process."""


class StageError(PipelineError):
    """A stage failed while it ran; the cause is chained."""
