"""The boxes of a box plot, read from what was drawn: filled boxes, and the lines of whiskers, medians and outliers."""

from .chart_axes import plain


def is_lying(axes):
    """Whether the boxes lie on their side: then the median's line goes up and not across."""
    for line in axes.lines:
        xs, ys = list(line.get_xdata()), list(line.get_ydata())
        if len(xs) == 2 and any(_crosses(patch, xs, ys, 1) for patch in axes.patches):
            return True
    return False


def box_elements(axes):
    lying = is_lying(axes)
    axis = axes.yaxis if lying else axes.xaxis
    texts = [label.get_text() for label in axis.get_ticklabels()]
    return [
        _box_element(axes, patch, lying, texts[index] if index < len(texts) else "")
        for index, patch in enumerate(axes.patches)
    ]


def _box_element(axes, patch, lying, label):
    along = 0 if lying else 1
    across = 1 - along
    vertices = patch.get_path().vertices
    values = [point[along] for point in vertices]
    places = [point[across] for point in vertices]
    first, third = min(values), max(values)
    middle = (min(places) + max(places)) / 2
    low, high, median, outliers = first, third, None, []
    for line in axes.lines:
        data = (list(line.get_xdata()), list(line.get_ydata()))
        ends, spots = data[along], data[across]
        if not ends or not all(_same(spot, middle, places) for spot in spots):
            if len(ends) == 2 and ends[0] == ends[1] and first <= ends[0] <= third and _spans(spots, places):
                median = ends[0]
            continue
        if line.get_linestyle() in ("None", "none", "", " "):
            outliers += ends
        elif len(ends) == 2:
            low, high = min(low, *ends), max(high, *ends)
    return {
        "label": label,
        "min": plain(low),
        "first_quartile": plain(first),
        "median": plain(median if median is not None else (first + third) / 2),
        "third_quartile": plain(third),
        "max": plain(high),
        "outliers": [plain(value) for value in outliers],
    }


def _same(spot, middle, places):
    return abs(spot - middle) <= (max(places) - min(places)) * 1e-6


def _spans(spots, places):
    """Whether a line goes from one side of the box to the other."""
    width = max(places) - min(places)
    return abs(min(spots) - min(places)) < width * 1e-6 and abs(max(spots) - max(places)) < width * 1e-6


def _crosses(patch, xs, ys, across):
    vertices = patch.get_path().vertices
    along = 1 - across
    line = (xs, ys)
    places = [point[across] for point in vertices]
    values = [point[along] for point in vertices]
    return line[along][0] == line[along][1] and min(values) < line[along][0] < max(values) and _spans(line[across], places)
