"""sys.displayhook: shows the value of a cell's last expression, and keeps the last three as _, __ and ___."""

from . import show

# Types whose repr is all there is to show. Exact types: a subclass may have forms of its own.
_PLAIN = (int, float, bool, complex, str, bytes, type(...))
_SHORT = 1 << 14

_namespace = {}
_latest = None


def install(namespace):
    global _namespace
    _namespace = namespace


def displayhook(value):
    """Shows a value as the main result of the run."""
    if value is None:
        return
    kind = type(value)
    if kind in _PLAIN and (not hasattr(value, "__len__") or len(value) < _SHORT):
        data = {"text/plain": repr(value)}
    else:
        from . import forms

        data = forms.of(value)
        if data is None:
            # The object has displayed itself.
            _remember(value)
            return
    _remember(value)
    show.show(data, main=True)


def _remember(value):
    """Python's own names for earlier results, unless the code uses `_` for something else."""
    global _latest
    names = _namespace
    if "_" in names and names["_"] is not _latest:
        return
    if "__" in names:
        names["___"] = names["__"]
    if "_" in names:
        names["__"] = names["_"]
    names["_"] = _latest = value
