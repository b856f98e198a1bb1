"""The numbers of a matplotlib figure as a chart object: what kind of chart it is, its axes, its series.

Called after the figure was drawn, as only then the texts of the ticks are known.
"""

import sys

from .chart_axes import labels_of, planar_members, plain, text_or_none
from .chart_bars import bar_elements, is_horizontal

_LINE_NAME = "Line %d"
_SCATTER_NAME = "Scatter %d"


def chart_of(figure):
    """One chart object; an empty one for a figure without data."""
    charts = [chart for chart in map(_chart_of_axes, figure.get_axes()) if chart]
    if len(charts) > 1:
        title = getattr(figure, "_suptitle", None)
        return {"type": "superchart", "title": text_or_none(title.get_text()) if title else None, "elements": charts}
    return charts[0] if charts else {}


def _chart_of_axes(axes):
    lines, patches, collections = list(axes.lines), list(axes.patches), list(axes.collections)
    if not (lines or patches or collections or axes.images or axes.tables):
        return None
    kind = _kind_of(lines, patches, collections)
    chart = {"type": kind, "title": text_or_none(axes.get_title()), "elements": []}
    if kind == "line":
        chart.update(planar_members(axes))
        chart["elements"] = [_line_element(line) for line in lines if not is_grid_line(line)]
    elif kind == "scatter":
        chart.update(planar_members(axes))
        chart["elements"] = [_scatter_element(collection, index) for index, collection in enumerate(collections)]
    elif kind == "bar":
        chart.update(labels_of(axes, is_horizontal(axes)))
        chart["elements"] = bar_elements(axes)
    elif kind == "pie":
        chart["elements"] = [_wedge_element(wedge, index) for index, wedge in enumerate(patches)]
    elif kind == "box_and_whisker":
        from .chart_boxes import box_elements, is_lying

        chart.update(labels_of(axes, is_lying(axes)))
        chart["elements"] = box_elements(axes)
    return chart


def _kind_of(lines, patches, collections):
    from matplotlib.collections import PathCollection
    from matplotlib.patches import PathPatch, Rectangle, Wedge

    if lines and not patches and not collections:
        return "line"
    if lines and patches and not collections and all(isinstance(patch, PathPatch) for patch in patches):
        return "box_and_whisker"
    rest = [line for line in lines if not is_grid_line(line)] + patches + collections
    for kind, name in ((PathCollection, "scatter"), (Wedge, "pie"), (Rectangle, "bar")):
        if rest and all(isinstance(artist, kind) for artist in rest):
            return name
    return "unknown"


def is_grid_line(line):
    """Two points side by side or one above the other: a line that helps to read the chart, not data."""
    xs, ys = list(line.get_xdata()), list(line.get_ydata())
    return len(xs) == 2 and len(ys) == 2 and bool(xs[0] == xs[1] or ys[0] == ys[1])


def named(label, prefix, name, number):
    """The label that the code gave, or one with matplotlib's own number in it."""
    label = str(label)
    if not label.startswith("_"):
        return label
    digits = label[len(prefix):] if label.startswith(prefix) else ""
    return name % (int(digits) if digits.isdigit() else number)


def _line_element(line):
    points = [[plain(x), plain(y)] for x, y in zip(line.get_xdata(orig=True), line.get_ydata(orig=True))]
    return {"label": named(line.get_label(), "_child", _LINE_NAME, 0), "points": points}


def _scatter_element(collection, index):
    points = [[plain(x), plain(y)] for x, y in collection.get_offsets()]
    axes = collection.axes
    points = _dated(points, axes) if _has_dates(axes) else points
    return {"label": named(collection.get_label(), "_child", _SCATTER_NAME, index), "points": points}


def _has_dates(axes):
    from .chart_axes import scale_of

    return "datetime" in (scale_of(axes.xaxis), scale_of(axes.yaxis))


def _dated(points, axes):
    """A scatter keeps dates as numbers: back to text."""
    from .chart_axes import scale_of

    dates = sys.modules["matplotlib.dates"]
    is_date = [scale_of(axis) == "datetime" for axis in (axes.xaxis, axes.yaxis)]
    return [
        [plain(dates.num2date(value)) if date and value is not None else value for value, date in zip(point, is_date)]
        for point in points
    ]


def _wedge_element(wedge, index):
    return {
        "label": named(wedge.get_label(), "_nolegend", "Slice %d", index),
        "angle": round(abs(wedge.theta2 - wedge.theta1), 4),
        "radius": plain(wedge.r),
    }
