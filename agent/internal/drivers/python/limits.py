"""Keeps a display below its limit, and what is in it valid JSON."""

from .text import encode

PLAIN = "text/plain"
# So many bytes of text are worth keeping beside another form.
PREVIEW = 256


def fit(data, limit):
    """The data without its largest forms, and the MIME types of those. The text is cut instead."""
    data = dict(data)
    truncated = []
    sizes = {mime: len(encode(form)) + len(mime) + 4 for mime, form in data.items()}
    reserved = min(sizes.get(PLAIN, 0), PREVIEW)
    while sum(sizes.values()) + 2 > limit:
        rich = [mime for mime in sizes if mime != PLAIN]
        largest = max(rich, key=sizes.__getitem__, default=None)
        others = sum(sizes[mime] for mime in rich) + 2
        if PLAIN in sizes and (largest is None or (sizes[PLAIN] >= sizes[largest] and others + reserved <= limit)):
            data[PLAIN] = cut(data[PLAIN], limit - others - len(PLAIN) - 4)
            truncated.append(PLAIN)
            break
        if largest is None:
            break
        truncated.append(largest)
        del data[largest], sizes[largest]
    return data, truncated


def cut(text, limit):
    """The text, so short that it is at most `limit` bytes of JSON, with a note of how much is missing."""
    keep = max(0, min(len(text), limit - 64))
    left_out = getattr(text, "left_out", 0)
    while True:
        left = len(text[keep:].encode("utf-8", "replace")) + left_out
        result = "%s\n… %d bytes left out" % (text[:keep], left)
        size = len(encode(result))
        if size <= limit or keep == 0:
            return result
        keep = int(keep * max(0.0, limit * 0.95) / size)


def clean(value, depth=0):
    """The value with what JSON has no form for replaced: NaN by null, keys by text, other objects by their repr."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if value - value == 0 else None
    if depth > 100:
        return "..."
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(item, depth + 1) for item in value]
    if hasattr(value, "tolist"):
        # An array or a number of numpy.
        return clean(value.tolist(), depth + 1)
    return repr(value)
