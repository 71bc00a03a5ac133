"""Commands on training files: anyone's, in any of the formats."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from pyrite.cli.options import Answers, Qrels, Sets, Switch, TextFiles
from pyrite.cli.page_files import check_page, write_page
from pyrite.cli.replies import Reply
from pyrite.data.formats.conversion import Conversion, convert_file
from pyrite.data.formats.judgements import read_judgements
from pyrite.data.formats.parts import Conflicts, KnownTexts
from pyrite.data.formats.texts import read_corpus, read_queries
from pyrite.data.formats.training import Format, Positives, TrainingLayout
from pyrite.errors import SettingsError
from pyrite.pipeline.overrides import assign, parse_assignment
from pyrite.recipes.audit import AuditSettings, Beside, audit_training_file
from pyrite.recipes.audit.judges import load_judge
from pyrite.report.audit import audit_text, render_audit
from pyrite.settings import Settings, parse_settings

__all__ = ["AuditOptions", "SourceOptions", "audit", "convert"]

_ANSWERS = Answers()
_TEXTS = TextFiles()


class _Target(Settings):
    """The layout of the new file, validated as a setting."""

    layout: TrainingLayout
    """The layout by its `type`."""


@Parameter(name="*", group=Group("How to read the source", sort_key=60))
@dataclass(frozen=True)
class SourceOptions:
    """How a source is read."""

    from_: Annotated[Format | None, Parameter(name="--from")] = None
    """Its format; where not given, its content tells it."""

    conflicts: Conflicts = "error"
    """What becomes of negatives that are positives of their query: a fault each, or left out and counted."""


_SOURCE = SourceOptions()


def convert(
    source: Path,
    target: Path,
    *,
    to: Format,
    reading: SourceOptions = _SOURCE,
    set_: Sets = (),
    texts: TextFiles = _TEXTS,
    options: Answers = _ANSWERS,
) -> Reply:
    """Turn a training file into another toolkit's format, ids kept, and say what it cannot hold.

    Beside a file of ids its texts are written: NAME.corpus.jsonl and NAME.queries.jsonl, for NeMo a folder NAME.corpus.

    Args:
        source: The file.
        target: The new file; nothing of that name may be there.
        to: The format of the new file.
        reading: How to read the source.
        set_: A setting of the new file's layout, such as shape=triplet; `pyrite export --help` lists them.
        texts: What the file does not say.
        options: How to answer.
    """
    layout: dict[str, Any] = {"type": to}
    for text in set_:
        path, value = parse_assignment(text)
        assign(layout, path.split("."), value, path)
    done = convert_file(
        source,
        target,
        parse_settings(_Target, {"layout": layout}, "--set").layout,
        reading.from_,
        _known(texts),
        _positives(texts),
        reading.conflicts,
    )
    data = {"source": str(source), "target": str(target), "target_format": to, **done.as_dict()}
    return Reply(_describe(source, target, to, done), data, options.json)


@Parameter(name="*", group=Group("What to look for", sort_key=60))
@dataclass(frozen=True)
class AuditOptions:
    """How far an audit goes."""

    scorer: str | None = None
    """What estimates false negatives: a folder of a cross-encoder or an encoder, the name of an encoder on the hub, or
    the settings of any scorer, such as '{type: endpoint, base_url: "http://localhost:8000/v1"}'."""

    device: str = "auto"
    """Where the scorer runs: auto, cpu, cuda or cuda:1."""

    sample: int | None = None
    """How many queries are scored, drawn with a fixed seed; all, where not given."""

    margin: float = 0.05
    """How near a negative's score has to come to the lowest positive's to count as near, as a share of it."""

    resemblance: float = 0.8
    """From what Jaccard index of their word triples on two texts are near-duplicates."""

    examples: int = 10
    """How many examples of each finding are shown."""

    report: Path | None = None
    """Where to write an HTML page that loads nothing from anywhere; replaced where it is there."""

    strict: Switch = False
    """End with exit code 1 where something is an error."""


_AUDIT = AuditOptions()


def audit(
    file: Path,
    *,
    from_: Annotated[Format | None, Parameter(name="--from")] = None,
    qrels: Qrels = (),
    settings: AuditOptions = _AUDIT,
    texts: TextFiles = _TEXTS,
    options: Answers = _ANSWERS,
) -> Reply:
    """Look through anyone's mined set for what spoils training or measurements, and say what to do about it.

    Args:
        file: The file, in any of the formats.
        from_: Its format; where not given, its content tells it.
        qrels: SPLIT=FILE, judgements (BEIR's TSV or TREC): train names known positives, any other an evaluation split.
        settings: What to look for.
        texts: What the file does not say.
        options: How to answer.
    """
    check_page(settings.report)
    judged = {name: read_judgements(path) for name, path in map(_split_file, qrels)}
    scorer = None
    if settings.scorer is not None:
        scorer = load_judge(parse_assignment(f"scorer={settings.scorer}")[1], settings.device)
    report = audit_training_file(
        file,
        from_,
        Beside(_known(texts), judged, _positives(texts), scorer, settings.scorer or ""),
        parse_settings(
            AuditSettings,
            {
                "resemblance": {"threshold": settings.resemblance},
                "margin": settings.margin,
                "sample": settings.sample,
                "shown": settings.examples,
            },
            "options",
        ),
    )
    text = audit_text(report)
    if settings.report is not None:
        write_page(settings.report, render_audit(report))
        text += f"\n\nreport: {settings.report}"
    failed = settings.strict and report.severities().get("error", 0) > 0
    return Reply(text, report.as_dict(), options.json, code=int(failed))


def _split_file(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise SettingsError(f"--qrels {text!r}: wants SPLIT=FILE, such as test=qrels/test.tsv")
    return name, Path(path)


def _known(texts: TextFiles) -> KnownTexts:
    return KnownTexts(
        None if texts.corpus is None else read_corpus(texts.corpus),
        None if texts.queries is None else read_queries(texts.queries),
    )


def _positives(texts: TextFiles) -> Positives:
    if texts.positives is None:
        return None
    if texts.positives == "first":
        return "first"
    grades = read_judgements(Path(texts.positives)).relevant().by_query()
    return {query_id: set(found) for query_id, found in grades.items()}


def _describe(source: Path, target: Path, to: Format, done: Conversion) -> str:
    read = (
        f"read     {source} ({done.source_format}): {done.queries:,} queries, {done.positives:,} positives, "
        f"{done.negatives:,} negatives, {done.documents:,} documents"
    )
    if done.without_text:
        read += f", {done.without_text:,} of them known by id alone"
    if done.dropped_conflicts:
        read += f"\n         left out: {done.dropped_conflicts:,} negatives that are positives of their query"
    beside = [name for name in done.files if name != target.name]
    written = f"written  {target} ({to}): {done.written.rows:,} rows" + (f"; {', '.join(beside)}" if beside else "")
    return "\n".join([read, written, *(f"         {sentence}" for sentence in done.written.told())])
