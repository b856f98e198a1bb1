"""The axes of a chart: labels with their units, ticks and scales."""

import re
import sys

_UNIT = re.compile(r"\s*(?:\(([^()]*)\)|\[([^\[\]]*)\])\s*$")

# Scales that the chart format has a name for.
_SCALES = ("linear", "log", "symlog", "logit", "function", "functionlog", "asinh")


def text_or_none(text):
    return str(text) if text else None


def plain(value):
    """A coordinate as JSON: number, or ISO text of a date, or text of a category; None for what is missing."""
    if value is None or isinstance(value, (str, bool)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if type(value).__name__ == "datetime64":
        return str(value)
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if number - number == 0 else None


def unit_of(label):
    """What stands in brackets at the end of a label."""
    match = _UNIT.search(label or "")
    return (match.group(1) or match.group(2) or "").strip() or None if match else None


def labels_of(axes, swapped=False):
    """Labels and units; `swapped` where x and y have changed places."""
    x, y = axes.get_xlabel(), axes.get_ylabel()
    if swapped:
        x, y = y, x
    return {"x_label": text_or_none(x), "y_label": text_or_none(y), "x_unit": unit_of(x), "y_unit": unit_of(y)}


def planar_members(axes):
    """All members of the axes of a line or scatter chart."""
    members = labels_of(axes)
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        scale = scale_of(axis)
        ticks = axis.get_ticklocs()
        if scale == "datetime":
            ticks = sys.modules["matplotlib.dates"].num2date(ticks)
        members[name + "_ticks"] = [plain(tick) for tick in ticks]
        members[name + "_tick_labels"] = [label.get_text() for label in axis.get_ticklabels()]
        members[name + "_scale"] = scale
    return members


def scale_of(axis):
    """The name of a scale: dates and categories are linear for matplotlib, and known by how they place their ticks."""
    locator = axis.get_major_locator()
    dates, categories = sys.modules.get("matplotlib.dates"), sys.modules.get("matplotlib.category")
    if dates is not None and isinstance(locator, dates.DateLocator):
        return "datetime"
    if categories is not None and isinstance(locator, categories.StrCategoryLocator):
        return "categorical"
    scale = axis.get_scale()
    return scale if scale in _SCALES else "linear"
