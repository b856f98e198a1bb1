"""The bars of a bar chart: which tick each stands at, and which series it belongs to."""

from .chart_axes import plain


def is_horizontal(axes):
    return any(getattr(container, "orientation", None) == "horizontal" for container in axes.containers)


def bar_elements(axes):
    horizontal = is_horizontal(axes)
    ticks = _ticks_of(axes.yaxis if horizontal else axes.xaxis)
    elements = []
    for index, (label, bars) in enumerate(_groups_of(axes)):
        if label.startswith("_"):
            digits = label[len("_container"):] if label.startswith("_container") else ""
            label = "Group %d" % (int(digits) if digits.isdigit() else index)
        for bar in bars:
            start, size = (bar.get_y(), bar.get_height()) if horizontal else (bar.get_x(), bar.get_width())
            value = bar.get_width() if horizontal else bar.get_height()
            elements.append({"label": _tick_of(ticks, start, size), "group": label, "value": plain(value)})
    return elements


def _groups_of(axes):
    """Series label and rectangles of each series."""
    groups = []
    for container in axes.containers:
        patches = [artist for artist in container if hasattr(artist, "get_height")]
        if patches:
            groups.append((str(container.get_label()), patches))
    return groups or [("_container0", list(axes.patches))]


def _ticks_of(axis):
    return [(float(place), label.get_text()) for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels())]


def _tick_of(ticks, start, size):
    """The text of the tick that belongs to a bar: the nearest, if no other bar would rather have it."""
    center = start + size / 2
    places = sorted(place for place, _ in ticks)
    spacing = min((after - before for before, after in zip(places, places[1:])), default=2 * abs(size))
    near = [(abs(place - center), text) for place, text in ticks if text]
    if near:
        distance, text = min(near)
        # A number on the axis names a bar only if it stands right below it; a word may stand below several.
        reach = abs(size) * 1e-3 if _is_number(text) else max(spacing, abs(size)) / 2
        if distance < reach:
            return text
    return "%g" % center


def _is_number(text):
    try:
        float(text.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        return False
    return True
