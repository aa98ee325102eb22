"""Charts as data: what is drawn where, in the units of the SVG. The template only writes it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rectify_nlp.evaluation import BINS, Result
from rectify_nlp.trials import Learned

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One point of a line; `title` is shown when it is pointed at."""

    x: float
    y: float
    title: str
    radius: float = 3.5
    marked: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """A named line; `band` is the outline of the area around it, in values."""

    name: str
    dots: tuple[Dot, ...]
    band: tuple[Point, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A count above the plot, `share` of the largest one high."""

    x: float
    share: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Axes from `low` to `high` with ticks, and what lies between them.

    Values become SVG units by `x` and `y`; y grows downwards there.
    """

    title: str
    x_name: str
    y_name: str
    low: Point
    high: Point
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...] = ()
    diagonal: bool = False

    width = 400
    height = 300
    left, right, top, bottom = 52, 380, 52, 252

    def x(self, value: float) -> float:
        share = (value - self.low[0]) / (self.high[0] - self.low[0])
        return round(self.left + share * (self.right - self.left), 1)

    def y(self, value: float) -> float:
        share = (value - self.low[1]) / (self.high[1] - self.low[1])
        return round(self.bottom - share * (self.bottom - self.top), 1)

    def path(self, points: Sequence[Point]) -> str:
        """`points` as the attribute of a polyline or polygon."""
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in points)


def reliability_diagram(result: Result) -> Chart:
    """Mean probability against accuracy by bin, with the number of segments above."""
    ticks = tuple((i / 5, f"{i / 5:.1f}") for i in range(6))
    most = max(b.segments for b in result.reliability)
    return Chart(
        title=f"calibration error {result.score('calibration error').value:.3f}",
        x_name="probability claimed",
        y_name="share right",
        low=(0.0, 0.0),
        high=(1.0, 1.0),
        x_ticks=ticks,
        y_ticks=ticks,
        lines=(
            Line(
                name=result.method,
                dots=tuple(
                    Dot(
                        x=b.probability,
                        y=b.accuracy,
                        title=f"{b.segments} segments: {b.probability:.2f} claimed, {b.accuracy:.2f} right",
                        # The area tells how many segments stand behind it.
                        radius=round(2 + 5 * (b.segments / most) ** 0.5, 1),
                    )
                    for b in result.reliability
                ),
            ),
        ),
        bars=tuple(
            Bar(
                x=(min(int(b.probability * BINS), BINS - 1) + 0.5) / BINS,
                share=b.segments / most,
                count=b.segments,
            )
            for b in result.reliability
        ),
        diagonal=True,
    )


def coverage_chart(results: Sequence[tuple[str, Result]]) -> Chart:
    """Accuracy of what is answered against how much is; a line a (name, result), the default marked."""
    cuts = [cut for _, result in results for cut in result.coverage]
    low_x, low_y = _floor(min(c.given for c in cuts)), _floor(min(c.accuracy for c in cuts))
    return Chart(
        title="accuracy of what is answered",
        x_name="share of segments answered",
        y_name="accuracy of these",
        low=(low_x, low_y),
        high=(1.0, 1.0),
        x_ticks=_percent_ticks(low_x),
        y_ticks=_percent_ticks(low_y),
        lines=tuple(
            Line(
                name=name,
                dots=tuple(
                    Dot(
                        x=cut.given,
                        y=cut.accuracy,
                        title=f"from {cut.threshold:.2f} on: {cut.given:.1%} answered, {cut.accuracy:.1%} right",
                        marked=cut.threshold == result.abstain_below,
                    )
                    for cut in result.coverage
                ),
            )
            for name, result in results
        ),
    )


def learning_chart(points: Sequence[Learned]) -> Chart:
    """Accuracy against the number of notices trained on, each doubling a step."""
    values = [a for p in points for a in (*p.authored, *p.published)]
    low = _floor(min(values))
    lines = []
    for name, scores in (
        ("published notices", [p.published for p in points]),
        ("authored notices left out", [p.authored for p in points]),
    ):
        if all(scores):
            lines.append(
                Line(
                    name=name,
                    dots=tuple(
                        Dot(
                            x=i,
                            y=sum(s) / len(s),
                            title=f"{points[i].notices} notices: {sum(s) / len(s):.1%}",
                        )
                        for i, s in enumerate(scores)
                    ),
                    band=(
                        *((float(i), min(s)) for i, s in enumerate(scores)),
                        *((float(i), max(s)) for i, s in reversed(list(enumerate(scores)))),
                    ),
                )
            )
    return Chart(
        title=f"{points[0].task}: accuracy by authored notices trained on",
        x_name="authored notices trained on",
        y_name="accuracy",
        low=(0.0, low),
        high=(max(1.0, len(points) - 1.0), 1.0),
        x_ticks=tuple((float(i), str(p.notices)) for i, p in enumerate(points)),
        y_ticks=_percent_ticks(low),
        lines=tuple(lines),
    )


def _floor(value: float) -> float:
    """The tenth at or below `value`, less than 1."""
    return min(9, int(value * 10)) / 10


def _percent_ticks(low: float) -> tuple[tuple[float, str], ...]:
    """Ticks from `low` to 1, the fewer the wider apart."""
    step = 5 if low >= 0.7 else 10 if low >= 0.3 else 20
    start = -(-round(low * 100) // step) * step
    return tuple((i / 100, f"{i}%") for i in range(start, 101, step))
