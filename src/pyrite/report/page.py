"""The report: a self-contained HTML page and its numbers as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import ClassVar, Self

from pyrite.errors import DataError
from pyrite.report.records import ReportData
from pyrite.report.rendering import render_html
from pyrite.report.summary import check_report, summarise
from pyrite.settings import Json, canonical_hash

__all__ = ["ReportPage", "render_report", "write_report"]

_TIME = re.compile(r"<time\b.*?</time>", re.DOTALL)


class ReportPage:
    """A finished report.

    Attributes:
        html: The page. It loads nothing from anywhere.
        content: Its numbers, as the JSON file beside it gives them.
    """

    kind: ClassVar[str] = "report_page"
    files: ClassVar[tuple[str, str]] = ("report.html", "summary.json")
    """The names of the page and of its numbers."""

    def __init__(self, html: str, content: dict[str, Json]) -> None:
        self.html = html
        self.content = content

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the report that `save` wrote.

        Raises:
            DataError: There is none, its page is no UTF-8, or its summary is no JSON object.
        """
        page, numbers = cls.files
        for name in cls.files:
            if not (folder / name).is_file():
                raise DataError(f"{folder}: holds no report ({name} is missing)")
        try:
            # As bytes: reading as text would turn the "\r\n" of a quoted document into "\n".
            html = (folder / page).read_bytes().decode()
            content = json.loads((folder / numbers).read_bytes())
        except ValueError as error:
            raise DataError(f"{folder}: the report is damaged: {error}") from error
        if not isinstance(content, dict):
            raise DataError(f"{folder / numbers}: wants an object, holds a {type(content).__name__}")
        return cls(html, content)

    def save(self, folder: Path) -> None:
        """Write the page and its numbers into a folder."""
        page, numbers = self.files
        folder.mkdir(parents=True, exist_ok=True)
        summary = json.dumps(self.content, indent=2, ensure_ascii=False) + "\n"
        (folder / numbers).write_bytes(summary.encode())
        (folder / page).write_bytes(self.html.encode())

    def fingerprint(self) -> str:
        """Return a hash of the numbers and of the page, without the times that the page gives.

        A manifest says how long a step took; that is no part of what came out of it.
        """
        digest = hashlib.sha256(canonical_hash(self.content).encode())
        digest.update(_TIME.sub("<time></time>", self.html).encode())
        return digest.hexdigest()

    def summary(self) -> dict[str, Json]:
        """Return what a manifest says of the report."""
        return {
            "dataset": self.content.get("dataset"),
            "systems": len(self.content.get("metrics", {})),
            "chosen": self.content.get("chosen"),
        }


def render_report(data: ReportData) -> ReportPage:
    """Make the report.

    The same data give the same page, byte by byte.

    Raises:
        DataError: Two tables of scores have the same system, or a comparison is of a system without scores.
        SettingsError: The chosen system, or one of the two to contrast, has no scores; or `made_by` names a manifest
            that is not given.
    """
    check_report(data)
    content = summarise(data)
    return ReportPage(render_html(data, content), content)


def write_report(data: ReportData, folder: Path) -> ReportPage:
    """Make the report and write `report.html` and `summary.json` into a folder.

    Raises:
        DataError: As in `render_report`.
        SettingsError: As in `render_report`.
    """
    page = render_report(data)
    page.save(folder)
    return page
