"""Charts of the report as inline SVG: no script is needed to see them, and they print sharply.

Every mark that stands for a patient carries `data-tip` (what hovering shows) and, where the page
has a card for it, `data-case` (what a click opens). Colours are classes of the style sheet, so
that the palette stands in one place.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from workflow.liverseg import summaries

WIDTH, HEIGHT = 460.0, 290.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 14.0, 46.0
LINE = 38.0  # height of one line of an interval chart
FINITE_POINTS_NEEDED = 2
COLOURS = 6  # of the style sheet
# Of a line with more points than that not all are drawn: a training of a thousand epochs would
# fill megabytes with what nobody can tell apart.
POINTS_DRAWN, POINTS_TOLD = 300, 40
# Of fewer patients the 95 % interval of a limit of agreement reaches more than 1.3 standard
# deviations to either side: as good as from the limit to the mean.
PATIENTS_FOR_LIMITS = 10


@dataclass(frozen=True)
class Point:
    """One patient in a chart: its value(s), what hovering says, and the card it opens."""

    x: float
    y: float
    tip: str
    case: str = ""


@dataclass(frozen=True)
class Series:
    """One line of a line chart; `style` counts the lines: six colours, then again dashed."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    style: int = 0

    @property
    def classes(self) -> str:
        """Classes of the style sheet that tell this line from the others."""
        return f"c{self.style % COLOURS}" + (" again" if self.style >= COLOURS else "")


@dataclass(frozen=True)
class Interval:
    """One line of an interval chart: a value and the ends of its interval (NaN where unknown)."""

    name: str
    middle: float
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Frame:
    """The axes of a chart: data ranges and where they lie on the paper."""

    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: float = LEFT
    bottom: float = BOTTOM

    def x(self, value: float) -> float:
        """Horizontal place of a data value, in units of the drawing."""
        low, high = self.x_range
        return self.left + (value - low) / (high - low) * (WIDTH - self.left - RIGHT)

    def y(self, value: float) -> float:
        """Vertical place of a data value, in units of the drawing."""
        low, high = self.y_range
        return HEIGHT - self.bottom - (value - low) / (high - low) * (HEIGHT - TOP - self.bottom)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover `low` … `high`: about `count` of them, steps of 1, 2 or 5 · 10ⁿ."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return [0.0, 1.0]
    if high - low < 1e-12 * max(abs(low), abs(high), 1.0):
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1.0, 2.0, 5.0, 10.0) if s * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * n, 12) for n in range(first, last + 1)]


def line_chart(series: Sequence[Series], *, x_label: str, y_label: str, title: str) -> Markup:
    """Draw lines over a common axis; what lies between missing values (NaN) is joined.

    A dot tells its value when hovered over: each of a short line, evenly chosen ones of a long.
    """
    values = [v for s in series for v in s.y if math.isfinite(v)]
    steps = [v for s in series for v in s.x]
    if not values:
        return _nothing(title)
    frame, marks = _axes(_range(steps), _range(values), x_label=x_label, y_label=y_label)
    for one in series:
        known = [(x, y) for x, y in zip(one.x, one.y, strict=True) if math.isfinite(y)]
        path = " ".join(
            f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in _thinned(known, POINTS_DRAWN)
        )
        marks.append(Markup('<polyline class="line {}" points="{}"/>').format(one.classes, path))
        for x, y in _thinned(known, POINTS_TOLD):
            tip = f"{one.name}: {y:.4g} ({x_label} {x:g})"
            marks.append(_dot(frame, Point(x, y, tip), f"{one.classes} small"))
    return _figure(marks, title)


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """At most so many points, evenly chosen, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    return [points[int(index)] for index in np.linspace(0, len(points) - 1, most).round()]


def strip_chart(groups: Mapping[str, Sequence[Point]], *, y_label: str, title: str) -> Markup:
    """Draw a column of dots a group (`Point.y`), with median and quartiles beside them."""
    values = [p.y for points in groups.values() for p in points if math.isfinite(p.y)]
    if not values:
        return _nothing(title)
    span = (0.0, float(len(groups)))
    frame, marks = _axes(span, _range(values), x_label="", y_label=y_label, x_ticks=False)
    for column, (name, points) in enumerate(groups.items()):
        middle = column + 0.5
        finite = sorted((p for p in points if math.isfinite(p.y)), key=lambda p: p.y)
        marks.append(_text(frame.x(middle), HEIGHT - 24, f"{name} (n = {len(finite)})"))
        if len(finite) >= FINITE_POINTS_NEEDED:
            marks += _box(frame, middle, [p.y for p in finite])
        for place, point in zip(_spread(len(finite)), finite, strict=True):
            moved = Point(middle + 0.10 + place, point.y, point.tip, point.case)
            marks.append(_dot(frame, moved, f"c{column % 6}"))
    return _figure(marks, title)


def bland_altman(points: Sequence[Point], *, unit: str, title: str) -> Markup:
    """Draw differences (`Point.y`) over means (`Point.x`), with bias and limits of agreement.

    Figures are those of `agreement`, the 95 % interval of each a band; no limits below
    PATIENTS_FOR_LIMITS.
    """
    finite = [p for p in points if math.isfinite(p.x) and math.isfinite(p.y)]
    if not finite:
        return _nothing(title)
    lines = agreement(finite)
    ends = [end for line in lines for end in (line.low, line.middle, line.high)]
    frame, marks = _axes(
        _range([p.x for p in finite]),
        _range([*(p.y for p in finite), *(end for end in ends if math.isfinite(end)), 0.0]),
        x_label=f"mean of both volumes, {unit}",
        y_label=f"predicted − reference, {unit}",
    )
    marks += [_band(frame, line) for line in lines if math.isfinite(line.low)]
    for line in lines:
        marks.append(_rule(frame, line.middle, "bias" if line is lines[0] else "limit"))
        label = f"{line.name} {line.middle:+.1f}".replace("-", "−")
        marks.append(_text(WIDTH - RIGHT - 2, frame.y(line.middle) - 4, label, "note end"))
    marks += [_dot(frame, p, "c0") for p in finite]
    return _figure(marks, title)


def agreement(points: Sequence[Point]) -> list[Interval]:
    """Bias of the differences (`Point.y`) and, of enough points, both limits of agreement."""
    found = summaries.bland_altman(np.array([p.y for p in points]), np.zeros(len(points)))
    bias, low, high = (_or_nan(found[key]) for key in ("bias", "bias_low", "bias_high"))
    half = _or_nan(found["limit_half_interval"])
    lines = [Interval("mean", bias, low, high, "mean of the differences")]
    if len(points) >= PATIENTS_FOR_LIMITS:
        for name, key in (("+1.96 SD", "upper_limit"), ("−1.96 SD", "lower_limit")):
            limit = _or_nan(found[key])
            lines.append(Interval(name, limit, limit - half, limit + half, "limit of agreement"))
    return lines


def interval_chart(lines: Sequence[Interval], *, x_label: str, title: str) -> Markup:
    """Draw values with their intervals one below the other, beside a dashed line at 0."""
    known = [line for line in lines if math.isfinite(line.middle)]
    if not known:
        return _nothing(title)
    ends = [value for one in known for value in (one.low, one.middle, one.high)]
    across = ticks(*_range([0.0, *(value for value in ends if math.isfinite(value))]))
    frame = Frame((across[0], across[-1]), (0.0, 1.0), left=RIGHT)
    height = TOP + LINE * len(known) + BOTTOM
    bottom = height - BOTTOM
    marks = [_upright(frame.x(v), TOP, bottom, "limit" if v == 0 else "grid") for v in across]
    marks += [_text(frame.x(value), bottom + 17, f"{value:g}", "number") for value in across]
    marks.append(_text(WIDTH / 2, height - 7, x_label, "axis"))
    for row, one in enumerate(known):
        y = TOP + LINE * (row + 0.65)
        marks.append(_text(WIDTH / 2, y - 10, one.name))
        if math.isfinite(one.low) and math.isfinite(one.high):
            path = f"{frame.x(one.low):.1f},{y:.1f} {frame.x(one.high):.1f},{y:.1f}"
            marks.append(Markup('<polyline class="line c0" points="{}"/>').format(path))
        marks.append(_circle(frame.x(one.middle), y, Point(one.middle, 0.0, one.tip), "c0"))
    return _figure(marks, title, height=height)


def shares(parts: Sequence[tuple[str, int]], *, title: str) -> Markup:
    """Draw one bar cut into named shares; the numbers stand in it and below it."""
    total = sum(count for _, count in parts)
    if not total:
        return _nothing(title)
    marks, left = [], 0.0
    for style, (name, count) in enumerate(parts):
        width = WIDTH * count / total
        tip = f"{name}: {count} of {total} ({count / total:.0%})"
        marks.append(
            Markup(
                '<rect class="share c{}" x="{:.1f}" y="4" width="{:.1f}" height="30"'
                ' data-tip="{}" tabindex="0"><title>{}</title></rect>'
            ).format(style, left, max(width - 1.5, 0.5), tip, tip)
        )
        if width > 24:
            marks.append(_text(left + width / 2 - 0.75, 24, str(count), f"inside c{style}"))
        left += width
    return _figure(marks, title, height=40)


def histogram(values: Sequence[float], *, x_label: str, title: str, bins: int = 12) -> Markup:
    """Draw how many patients lie in each of `bins` equal steps of a quantity."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return _nothing(title)
    grid = ticks(min(finite), max(finite), bins)
    counts, edges = np.histogram(finite, bins=grid)
    frame, marks = _axes(
        (grid[0], grid[-1]), (0.0, float(counts.max())), x_label=x_label, y_label="patients"
    )
    for count, low, high in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        if not count:
            continue
        tip = f"{low:g} to {high:g}: {count}"
        top = frame.y(count)
        marks.append(
            Markup(
                '<rect class="share c0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"'
                ' data-tip="{}" tabindex="0"/>'
            ).format(
                frame.x(low) + 0.7,
                top,
                max(frame.x(high) - frame.x(low) - 1.4, 0.7),
                frame.y(0) - top,
                tip,
            )
        )
    return _figure(marks, title)


def _axes(
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    x_label: str,
    y_label: str,
    x_ticks: bool = True,
) -> tuple[Frame, list[Markup]]:
    """Make the frame of a chart and draw grid, numbers and names of its axes."""
    across, up = ticks(*x_range), ticks(*y_range)
    frame = Frame((across[0], across[-1]) if x_ticks else x_range, (up[0], up[-1]))
    marks = []
    for value in up:
        marks.append(_rule(frame, value, "grid"))
        marks.append(_text(LEFT - 7, frame.y(value) + 4, f"{value:g}", "number end"))
    below = HEIGHT - BOTTOM + 17
    marks += [_text(frame.x(v), below, f"{v:g}", "number") for v in (across if x_ticks else [])]
    marks.append(_text((WIDTH + LEFT - RIGHT) / 2, HEIGHT - 7, x_label, "axis"))
    middle = (HEIGHT - BOTTOM + TOP) / 2
    marks.append(
        Markup('<text class="axis" transform="translate(14 {:.1f}) rotate(-90)">{}</text>').format(
            middle, y_label
        )
    )
    return frame, marks


def _box(frame: Frame, middle: float, values: Sequence[float]) -> list[Markup]:
    """Draw quartiles as a box and the median as a bar, left of the dots."""
    low, median, high = (frame.y(float(q)) for q in np.percentile(values, [25, 50, 75]))
    left, right = frame.x(middle - 0.22), frame.x(middle - 0.06)
    tip = f"median {np.median(values):.4g}"
    return [
        Markup(
            '<rect class="box" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"'
            ' data-tip="{}" tabindex="0"/>'
        ).format(left, high, right - left, max(low - high, 1.0), tip),
        Markup('<line class="median" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
            left, right, median, median
        ),
    ]


def _spread(count: int) -> list[float]:
    """Sideways places of sorted dots, so that neighbours don't hide one another."""
    return [(0.0, 0.09, 0.18, 0.045, 0.135)[n % 5] for n in range(count)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _dot(frame: Frame, point: Point, style: str) -> Markup:
    return _circle(frame.x(point.x), frame.y(point.y), point, style)


def _circle(x: float, y: float, point: Point, style: str) -> Markup:
    case = Markup(' data-case="{}"').format(point.case) if point.case else ""
    return Markup(
        '<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{}" data-tip="{}"{} tabindex="{}">'
        "<title>{}</title></circle>"
    ).format(
        style,
        x,
        y,
        2.5 if "small" in style else 4.5,
        point.tip,
        case,
        0 if case else -1,
        point.tip,
    )


def _band(frame: Frame, line: Interval) -> Markup:
    """The interval of a horizontal line, over the whole width."""
    tip = f"{line.tip}, 95 % confidence interval: {line.low:+.1f} to {line.high:+.1f}"
    top = frame.y(line.high)
    return Markup(
        '<rect class="band" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" data-tip="{}"/>'
    ).format(
        frame.left,
        top,
        WIDTH - RIGHT - frame.left,
        frame.y(line.low) - top,
        tip.replace("-", "−"),
    )


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _rule(frame: Frame, value: float, style: str) -> Markup:
    y = frame.y(value)
    return Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        style, frame.left, WIDTH - RIGHT, y, y
    )


def _upright(x: float, top: float, bottom: float, style: str) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(
        style, x, x, top, bottom
    )


def _text(x: float, y: float, words: str, style: str = "name") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>').format(style, x, y, words)


def _figure(marks: Sequence[Markup], title: str, height: float = HEIGHT) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, height, title, Markup("").join(marks))


def _nothing(title: str) -> Markup:
    return Markup('<p class="nothing">{}: nothing to show yet.</p>').format(escape(title))
