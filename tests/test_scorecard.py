"""The report of an evaluation: every figure, nothing that runs, nothing unescaped."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from rectify_nlp import OutputError
from rectify_nlp.charts import coverage_chart, learning_chart, reliability_diagram
from rectify_nlp.evaluation import Outcomes, assess
from rectify_nlp.scorecard import html, limits, markdown, shown, strongest, where, write
from rectify_nlp.training import tasks
from rectify_nlp.trials import POOLED, Evaluation, Learned, evaluate_model, learning_curve

VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "</td><script>alert(1)</script>|\n\"'&"


class Page(HTMLParser):
    """Tags, attributes and text of a page; every tag that is opened must be closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.attributes, self.words = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def evaluation(model, examples, small_examples, taxonomy):
    """A model judged on six authored notices, and a learning curve of the status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rectify_nlp.evaluation.RESAMPLES", 50)
        names = sorted({e.notice for e in examples if e.kind})[:6]
        others = [e for e in examples if e.notice in names]
        found = evaluate_model(model, others)
    points = learning_curve(tasks([*small_examples, *others[:60]], taxonomy)["status"])
    return replace(found, learning=tuple(points))


@pytest.fixture(scope="module")
def page(evaluation):
    return html(evaluation)


@pytest.fixture(scope="module")
def text(evaluation):
    return markdown(evaluation)


def test_every_figure_stands_in_both(evaluation, page, text):
    words = " ".join(Page(page).words)
    for number, result in enumerate(evaluation.results, 1):
        for score in result.scores:
            figure = f"{score.value:.3f}"
            assert figure in words, score
            assert f"{figure} ({score.low:.3f} to {score.high:.3f})" in text
        assert result.signature in words
        assert f"\n{number}. " in text
    for result in evaluation.results[:2]:
        for score in result.by_label():
            assert f"{score.precision:.2f}" in words
            assert score.label in words
            assert score.label in text


def test_confusion_counts_stand_by_their_labels(text, evaluation):
    for result in evaluation.results[:2]:
        for label, counts in zip(result.labels, result.confusion, strict=True):
            row = f"| {label} | " + " | ".join(str(n) if n else "" for n in counts) + " |"
            assert (row in text) == any(counts)


def test_the_page_needs_and_runs_nothing(page):
    parsed = Page(page)
    assert {"script", "link", "img", "iframe", "object"}.isdisjoint(parsed.tags)
    assert not [name for name, _ in parsed.attributes if name.startswith("on") or name == "style"]
    assert [v for n, v in parsed.attributes if n in ("href", "src") and not v.startswith("#")] == []
    assert "url(" not in page
    assert "@import" not in page


def test_the_policy_allows_its_own_style_alone(page):
    style = re.search(r"<style>(.*?)</style>", page, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_every_link_within_the_page_leads_somewhere(page):
    attributes = Page(page).attributes
    targets = {value for name, value in attributes if name == "id"}
    links = {value[1:] for name, value in attributes if name == "href"}
    assert links <= targets
    assert {"scores", "category", "status", "doubtful", "learning", "limits", "s1"} <= links


def test_the_drawings_are_xml_and_stay_in_their_frame(page):
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) > 10
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        left, top, width, height = map(float, root.get("viewBox").split())
        for circle in root.iter("circle"):
            assert left <= float(circle.get("cx")) <= left + width
            assert top <= float(circle.get("cy")) <= top + height


def hostile(evaluation):
    """Every text that comes from labels or files replaced by markup."""
    labels = tuple(HOSTILE + str(i) for i in range(3))
    outcomes = Outcomes(
        labels=labels,
        truth=labels,
        also=((),) * 3,
        probabilities=np.eye(3),
        majority=labels[:1] * 3,
        groups=labels,
    )
    results = [
        assess(outcomes, task=task, method=HOSTILE, provenance=HOSTILE)
        for task in ("category", "status")
    ]
    taxonomy = evaluation.taxonomy
    named = tuple(taxonomy.categories[0]._replace(name=n, en=HOSTILE) for n in labels)
    classifiers = {
        name: replace(
            classifier,
            labels=labels,
            weights=classifier.weights[:, :3],
            bias=classifier.bias[:3],
        )
        for name, classifier in evaluation.classifiers.items()
    }
    return Evaluation(
        results=tuple(results),
        classifiers=classifiers,
        taxonomy=replace(taxonomy, categories=named, statuses=named),
        origins={HOSTILE: 3},
        provenance=HOSTILE,
    )


@pytest.mark.usefixtures("few_resamples")
def test_text_stays_text(evaluation):
    attacked = hostile(evaluation)
    parsed = Page(html(attacked))
    assert "script" not in parsed.tags
    assert HOSTILE.split("|")[0] in "".join(parsed.words)
    text = markdown(attacked)
    assert "<script" not in text
    # A bar or a line break in a name would add cells and rows to a table.
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1


def test_limits_say_what_the_figures_do_not(evaluation):
    assert any("fewer than ten notices" in sentence for sentence in limits(evaluation))
    assert not any("Two careful readers" in sentence for sentence in limits(evaluation))
    published = replace(evaluation, origins={"seed": 57, "authored": 3981})
    assert any("57 of 4038 segments are" in sentence for sentence in limits(published))


def test_single_notices_are_shown_where_they_are_not_pooled(evaluation):
    category = replace(evaluation.results[0], method="left out: a")
    one = replace(evaluation, results=(category,))
    assert shown(one, "category") == [category]
    assert where(category) == "published notice a"
    pooled = replace(category, method=POOLED)
    assert shown(replace(one, results=(category, pooled)), "category") == [pooled]


def test_a_chart_places_values(evaluation):
    result = evaluation.results[0]
    chart = reliability_diagram(result)
    assert (chart.x(0.0), chart.x(1.0)) == (chart.left, chart.right)
    assert (chart.y(0.0), chart.y(1.0)) == (chart.bottom, chart.top)
    assert [bar.count for bar in chart.bars] == [b.segments for b in result.reliability]
    assert sum(bar.count for bar in chart.bars) == result.segments
    cuts = coverage_chart([("name", result)])
    (line,) = cuts.lines
    assert [dot.marked for dot in line.dots].count(True) == 1
    assert cuts.low[0] <= min(dot.x for dot in line.dots)
    assert cuts.low[1] <= min(dot.y for dot in line.dots)


def test_a_learning_chart_without_published_notices_has_one_line():
    points = [
        Learned(task="status", notices=n, segments=30.0 * n, authored=(0.5, 0.6), published=())
        for n in (2, 4)
    ]
    (line,) = learning_chart(points).lines
    assert line.name == "authored notices left out"
    assert line.band == ((0.0, 0.5), (1.0, 0.5), (1.0, 0.6), (0.0, 0.6))


def test_strongest_terms_are_named_once(model):
    for terms in strongest(model.classifiers["category"]).values():
        assert len({term for term, _, _ in terms}) == len(terms) == 12
        assert [w for _, _, w in terms] == sorted((w for _, _, w in terms), reverse=True)


def test_written_into_a_folder(evaluation, page, text, tmp_path):
    paths = write(evaluation, tmp_path / "new" / "folder")
    assert [path.name for path in paths] == ["evaluation.md", "evaluation.html"]
    assert [path.read_text(encoding="utf-8") for path in paths] == [text, page]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        write(evaluation, tmp_path / "file")
