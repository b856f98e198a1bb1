"""Figures of matplotlib: shown when the code says so, when they are a value, or else when the cell ends; never twice."""

import sys
from binascii import b2a_base64
from io import BytesIO

from . import forms, runs, show

CHART = "application/vnd.k2.chart+json"


def prepare(pyplot):
    """Right after pyplot was imported: its `show` shows here, as there is no screen."""
    from matplotlib.figure import Figure

    def show_all(*_, **__):
        """Displays all open figures, and closes them."""
        show_open()

    pyplot.show = show_all
    Figure.show = lambda figure, *_, **__: _show_one(figure)


def show_open():
    """Displays the open figures that were not shown in this run, and closes all."""
    pyplot = sys.modules["matplotlib.pyplot"]
    try:
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            if not _was_shown(figure):
                _show_one(figure)
    finally:
        pyplot.close("all")


def _show_one(figure):
    data = forms.of(figure)
    if data:
        show.show(data)


def _was_shown(figure):
    return runs.current is not None and id(figure) in runs.current.shown_figures


def add_forms(figure, data):
    """The picture, and the numbers in it."""
    if runs.current is not None:
        runs.current.shown_figures.add(id(figure))
    if not figure.get_axes() and not figure.artists and not figure.texts and not figure.images:
        # As an empty figure in a notebook: only its name.
        data[CHART] = {}
        return
    if "image/png" not in data:
        data["image/png"] = _png_of(figure)
    try:
        from . import charts

        data[CHART] = charts.chart_of(figure)
    except Exception:
        # Whatever is drawn there, the picture shows it.
        data[CHART] = {"type": "unknown", "title": None, "elements": []}


def _png_of(figure):
    if figure.canvas is None or not hasattr(figure.canvas, "print_png"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        FigureCanvasAgg(figure)
    target = BytesIO()
    figure.savefig(target, format="png", bbox_inches="tight")
    return b2a_base64(target.getvalue(), newline=False).decode("ascii")
