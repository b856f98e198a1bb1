"""text/plain of a value: its repr, with long containers one item a line and only so much of very long ones."""

WIDTH = 79
# Of a container so many items are shown.
ITEMS = 1000
# Of a text in a container so many characters.
CHARACTERS = 1 << 20
# Containers in containers, before `...` stands for the rest.
DEPTH = 60

_OPEN_CLOSE = {list: ("[", "]"), tuple: ("(", ")"), set: ("{", "}"), frozenset: ("frozenset({", "})"), dict: ("{", "}")}


class Beginning(str):
    """A text that is too long by itself. The limit of a display cuts it in any case, and adds what is left out already."""

    left_out = 0


def text_of(value, limit):
    """Never fails, however the value's own repr does. A text is made no longer than a display of `limit` bytes can hold."""
    if type(value) in (str, bytes) and len(value) > limit:
        text = Beginning(repr(value[:limit]))
        text.left_out = len(value) - limit
        return text
    try:
        return _format(value, 0, WIDTH, ())
    except RecursionError:
        return _safe_repr(value)


def _format(value, indent, width, parents):
    kind = type(value)
    if kind is str or kind is bytes:
        return _long(value) if parents else repr(value)
    if kind not in _OPEN_CLOSE:
        return _safe_repr(value)
    if any(parent is value for parent in parents):
        return {list: "[...]", dict: "{...}"}.get(kind, "(...)")
    if not value:
        return repr(value)
    if len(parents) >= DEPTH:
        return "..."
    opening, closing = _OPEN_CLOSE[kind]
    inner = parents + (value,)
    step = indent + len(opening)
    parts = _parts(value, kind, step, width, inner)
    if kind is tuple and len(parts) == 1:
        closing = ",)"
    line = opening + ", ".join(parts) + closing
    if len(line) + indent <= width and "\n" not in line:
        return line
    return opening + (",\n" + " " * step).join(parts) + closing


def _parts(value, kind, step, width, parents):
    parts = []
    items = value.items() if kind is dict else _ordered(value, kind)
    for index, item in enumerate(items):
        if index == ITEMS:
            parts.append("...")
            break
        if kind is dict:
            key = _format(item[0], step, width, parents)
            parts.append(key + ": " + _format(item[1], step + len(key) + 2, width, parents))
        else:
            parts.append(_format(item, step, width, parents))
    return parts


def _ordered(value, kind):
    """Sets in the order of their items where they have one, so that the same set always looks the same."""
    if kind in (set, frozenset) and len(value) <= ITEMS:
        try:
            return sorted(value)
        except Exception:
            pass
    return value


def _long(value):
    if len(value) <= CHARACTERS:
        return repr(value)
    return "%s… %d left out" % (repr(value[:CHARACTERS]), len(value) - CHARACTERS)


def _safe_repr(value):
    try:
        return repr(value)
    except Exception as error:
        return "<%s object, whose repr failed: %s>" % (type(value).__name__, type(error).__name__)
