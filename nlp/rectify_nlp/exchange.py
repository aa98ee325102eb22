"""Segments for annotation tools: tasks for Label Studio and doccano, and their configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from rectify_nlp.labelsheet import JOINT, fields
from rectify_nlp.picking import Candidate
from rectify_nlp.records import to_json, to_json_line
from rectify_nlp.taxonomy import Taxonomy

# The tools, and what their configuration is called beside the tasks.
TOOLS: Mapping[str, str] = {"label-studio": ".xml", "doccano": ".labels.json"}
# Names as doccano shows them, which has one kind of label: what is meant stands in front.
DOCCANO = {"category": "类别", "also": "次要", "status": "状态"}


def exported(candidates: Sequence[Candidate], taxonomy: Taxonomy, tool: str) -> tuple[str, str]:
    """What a tool of `TOOLS` imports: the tasks, and its configuration."""
    if tool == "doccano":
        return "".join(doccano_lines(candidates)), doccano_config(taxonomy)
    return label_studio_tasks(candidates), label_studio_config(taxonomy)


def label_studio_tasks(candidates: Iterable[Candidate]) -> str:
    """Tasks to import into Label Studio, the model's answers as predictions."""
    return to_json([_task(candidate) for candidate in candidates], indent=1) + "\n"


def _task(candidate: Candidate) -> dict[str, Any]:
    said = (("category", candidate.category), ("status", candidate.status))
    result = [
        {"from_name": name, "to_name": "problem", "type": "choices", "value": {"choices": [label]}}
        for name, label in said
        if label
    ]
    task: dict[str, Any] = {"data": _told(candidate)}
    if result:
        task["predictions"] = [{"result": result, "score": round(candidate.category_p or 0, 4)}]
    return task


def _told(candidate: Candidate) -> dict[str, Any]:
    return {name: value for name, value in fields(candidate).items() if value is not None}


def label_studio_config(taxonomy: Taxonomy) -> str:
    """The labelling interface of the tasks, for a project's settings."""
    view = ElementTree.Element("View")
    for name, title in (("path", "上级标题"), ("problem", "问题"), ("measures", "整改措施")):
        ElementTree.SubElement(view, "Header", value=title, size="5")
        ElementTree.SubElement(view, "Text", name=name, value=f"${name}")
    for name, title, kind in (
        ("category", "类别", "single-radio"),
        ("also", "次要类别（可不选）", "multiple"),
        ("status", "状态", "single-radio"),
    ):
        ElementTree.SubElement(view, "Header", value=title, size="5")
        choices = ElementTree.SubElement(
            view, "Choices", name=name, toName="problem", choice=kind, showInline="true"
        )
        if name == "category":
            choices.set("required", "true")
        for label in taxonomy.statuses if name == "status" else taxonomy.categories:
            choice = ElementTree.SubElement(choices, "Choice", value=label.name)
            if label.scope:
                choice.set("hint", label.scope)
    ElementTree.SubElement(view, "TextArea", name="remark", toName="problem", placeholder="备注")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def doccano_lines(candidates: Iterable[Candidate]) -> Iterator[str]:
    """JSON lines for a doccano project of document classification.

    The model's answers stand beside the text, not as labels: doccano would export those
    nobody looked at as if somebody had given them.
    """
    for c in candidates:
        parts = (("", JOINT.join(c.path)), ("问题：", c.problem), ("整改措施：", c.measures))
        text = "\n".join(title + part for title, part in parts if part)
        yield to_json_line({"text": text, "label": [], **_told(c)})


def doccano_config(taxonomy: Taxonomy) -> str:
    """The labels to import into a doccano project."""
    colours = {"category": "#2f6fb0", "also": "#8fa8c0", "status": "#3f8f5f"}
    labels = [
        {
            "text": f"{prefix}:{label.name}",
            "background_color": colours[name],
            "text_color": "#ffffff",
        }
        for name, prefix in DOCCANO.items()
        for label in (taxonomy.statuses if name == "status" else taxonomy.categories)
    ]
    return to_json(labels, indent=1) + "\n"
