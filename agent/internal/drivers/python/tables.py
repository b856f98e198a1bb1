"""Data frames and series of pandas: their HTML, and their columns as JSON."""

from . import runs, show

DATA = "application/vnd.k2.data+json"

# A cell of a table takes at least so many bytes of JSON: what can't fit isn't made.
CELL_BYTES = 2


def add_forms(table, data):
    if table.ndim == 1 and "text/html" not in data:
        html = table.to_frame()._repr_html_()
        if html:
            data["text/html"] = html
    if table.size * CELL_BYTES <= runs.limit():
        data[DATA] = columns_of(table)
    else:
        data[DATA] = show.TOO_LARGE


def columns_of(table):
    """Column name to values."""
    if table.ndim == 1:
        return {_name_of(table.name): values_of(table)}
    return {_name_of(name): values_of(table.iloc[:, index]) for index, name in enumerate(table.columns)}


def _name_of(name):
    if name is None:
        return "0"
    return ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)


def values_of(column):
    """Plain values: missing ones as null, dates as ISO text."""
    values = column.tolist()
    kind = getattr(column.dtype, "kind", "O")
    if kind in "iub":
        return values
    if kind == "f":
        return [value if value - value == 0 else None for value in values]
    return [_plain(value) for value in values]


def _plain(value):
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if type(value).__name__ in ("NaTType", "NAType"):
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return str(value)
