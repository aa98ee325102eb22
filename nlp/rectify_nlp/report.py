"""The report for people (-f html): one self-contained page about everything given.

The page shows each notice's text with its issues where they stand and the deciding
words marked by weight. It holds no script and loads nothing: its policy allows only
its own style sheet, by digest. Everything from a notice is escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rectify_nlp.marked import Block, blocks
from rectify_nlp.model import Model
from rectify_nlp.modelfolder import TASKS
from rectify_nlp.phrases import (
    CAUTION,
    STATUS_SOURCE,
    TASK,
    UNDECIDED,
    about_model,
    deciding_words,
    doubts,
    tones,
    warning,
)
from rectify_nlp.records import Row, clean, failure_row, records, rows
from rectify_nlp.types import Failure, Report, Result, Segment, Totals
from rectify_nlp.version import __version__

TEMPLATES = Path(__file__).parent / "templates"
STYLE = "report.css"
# The likeliest categories, as far as they are not as good as ruled out.
_CATEGORIES_SHOWN, _WORTH_SHOWING = 3, 0.01


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A label with its probability or count, and the colour it is drawn in."""

    label: str
    value: float
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the model thinks of one task: probabilities, and the words that decided."""

    task: str
    bars: Sequence[Bar]
    words: Sequence[tuple[str, float]]


@dataclass(frozen=True, kw_only=True)
class Item:
    """An issue as the page shows it."""

    anchor: str
    record: Row
    heading: str
    doubts: Sequence[str]
    tone: str
    judgements: Sequence[Judgement]

    @property
    def category(self) -> str:
        return self.record["category"] or UNDECIDED

    @property
    def status(self) -> str:
        return self.record["status"] or UNDECIDED

    @property
    def status_source(self) -> str:
        return STATUS_SOURCE[self.record["status_source"]]


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A notice, or the segments of one table, as the page shows it."""

    anchor: str
    title: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    totals: Totals
    items: Sequence[Item]
    blocks: Sequence[Block]
    chart: Sequence[tuple[str, Sequence[Bar]]]


def page(found: Iterable[Result], model: Model) -> str:
    """One HTML page about all of `found`, which was predicted with `explain=True`."""
    given = list(found)
    chapters: list[Chapter] = []
    for result in given:
        if isinstance(result, Report):
            chapters.append(chapter_of(result, f"n{len(chapters) + 1}", model))
    by_source: dict[str, list[Segment]] = {}
    for result in given:
        if isinstance(result, Segment):
            by_source.setdefault(result.notice.source, []).append(result)
    for source, segments in by_source.items():
        chapters.append(_of_segments(source, segments, f"n{len(chapters) + 1}", model))
    items = [item for chapter in chapters for item in chapter.items]
    style = (TEMPLATES / STYLE).read_text(encoding="utf-8")
    text: str = (
        environment()
        .get_template("report.html")
        .render(
            chapters=chapters,
            failures=[failure_row(result) for result in given if isinstance(result, Failure)],
            items=items,
            in_doubt=[item for item in items if item.doubts],
            statuses=_with_undecided(model, items),
            tones=tones(model.taxonomy.status_names),
            chart=_chart(items, model),
            about=about_model(model),
            caution=CAUTION,
            task=TASK,
            version=__version__,
            style=style,
            policy="default-src 'none'; style-src 'sha256-"
            + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            + "'; base-uri 'none'; form-action 'none'",
        )
    )
    return clean(text).encode("utf-8", "replace").decode()


@lru_cache(maxsize=1)
def environment() -> Any:
    """The templates, everything in them escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


# -- chapters ----------------------------------------------------------------------------


def chapter_of(report: Report, anchor: str, model: Model) -> Chapter:
    """A report, which was predicted with `explain=True`, as one chapter of a page."""
    notice = report.notice
    items = [
        item_of(record, f"{anchor}-{number}", model)
        for number, record in enumerate(rows(report, explain=True), 1)
    ]
    facts = {
        "发布单位": notice.publisher,
        "公布日期": notice.published.isoformat() if notice.published else None,
        "索引号": notice.index_number,
        "文号": notice.document_number,
        "网址": notice.url,
        "来源": notice.source,
        "SHA-256": notice.sha256,
    }
    return Chapter(
        anchor=anchor,
        title=notice.title or notice.source,
        facts=[(name, value) for name, value in facts.items() if value],
        warnings=[warning(text) for text in report.warnings],
        totals=report.totals,
        items=items,
        blocks=blocks(notice.text, report.findings),
        chart=_chart(items, model),
    )


def _of_segments(source: str, segments: Sequence[Segment], anchor: str, model: Model) -> Chapter:
    items = []
    shown = []
    for position, segment in enumerate(segments):
        (record,) = records(segment, explain=True)
        items.append(item_of(record, f"{anchor}-{position + 1}", model))
        cut = blocks(segment.notice.text, [segment.finding])
        shown += [replace(b, issue=None if b.issue is None else position) for b in cut]
    return Chapter(
        anchor=anchor,
        title="已切分的问题",
        facts=[("来源", source)],
        warnings=(),
        totals=Totals(),
        items=items,
        blocks=shown,
        chart=_chart(items, model),
    )


def item_of(record: Row, anchor: str, model: Model) -> Item:
    """A row as a page shows it; `anchor` ends in the number of the issue."""
    colours = tones(model.taxonomy.status_names)
    chances, statuses = record["p"]["category"], record["p"]["status"]
    likely = [name for name, p in chances.items() if p >= _WORTH_SHOWING][:_CATEGORIES_SHOWN]
    bars = {
        "category": [Bar(label=name, value=chances[name]) for name in likely],
        "status": [
            Bar(label=n, value=statuses[n], tone=tone)
            for n, tone in colours.items()
            if n in statuses  # a row may have been made with another model
        ],
    }
    number = str(record["number"] or "").strip()
    return Item(
        anchor=anchor,
        record=record,
        heading=f"问题 {anchor.rpartition('-')[2]}" + (f"（原编号 {number}）" if number else ""),
        doubts=doubts(record),
        tone=colours.get(record["status"], "none"),
        judgements=[
            Judgement(task=task, bars=bars[task], words=deciding_words(record, task))
            for task in TASKS
        ],
    )


def _with_undecided(model: Model, items: Sequence[Item]) -> list[str]:
    """Statuses, and the missing one where there is one."""
    names = list(model.taxonomy.status_names)
    return [*names, UNDECIDED] if any(item.status == UNDECIDED for item in items) else names


def _chart(items: Sequence[Item], model: Model) -> list[tuple[str, list[Bar]]]:
    """Issues of each category by status, categories without issues left out."""
    counts = Counter((item.category, item.status) for item in items)
    present = {category for category, _ in counts}
    colours = tones(model.taxonomy.status_names)
    return [
        (
            category,
            [
                Bar(label=name, value=counts[category, name], tone=colours.get(name, "none"))
                for name in _with_undecided(model, items)
            ],
        )
        for category in (*model.taxonomy.category_names, UNDECIDED)
        if category in present
    ]
