"""The run that is going on."""


DEFAULT_LIMIT = 16 << 20


class Run:
    """What the parts of the driver have to know of a run."""

    __slots__ = ("id", "limit", "shown_figures")

    def __init__(self, request):
        self.id = request["id"]
        # Bytes of one display, as JSON.
        self.limit = request.get("display_bytes") or DEFAULT_LIMIT
        # Ids of the figures that were shown: the end of the run doesn't show them again.
        self.shown_figures = set()


current = None


def limit():
    """Of what is displayed now; between runs, of what will be."""
    return current.limit if current is not None else DEFAULT_LIMIT
