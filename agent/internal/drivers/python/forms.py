"""The forms of a value, by MIME type: what its `_repr_…_` methods give, what the driver knows of its type, and its text."""

import binascii
import sys

from . import pretty, runs

METHODS = (
    ("text/html", "_repr_html_"),
    ("text/markdown", "_repr_markdown_"),
    ("image/svg+xml", "_repr_svg_"),
    ("image/png", "_repr_png_"),
    ("image/jpeg", "_repr_jpeg_"),
    ("application/pdf", "_repr_pdf_"),
    ("text/latex", "_repr_latex_"),
    ("application/json", "_repr_json_"),
    ("application/javascript", "_repr_javascript_"),
)

# Types of libraries that the driver knows more of: the module that must be there, the class in it, and the file that makes the forms.
_KNOWN = (
    ("matplotlib.figure", "Figure", "figures"),
    ("pandas", "DataFrame", "tables"),
    ("pandas", "Series", "tables"),
    ("PIL.Image", "Image", "images"),
)


# IPython's own way to make the forms, where its shell is at work: code may have registered formatters there.
formatter = None


def of(value, include=None, exclude=None):
    """MIME type to value, or None where the object displayed itself (`_ipython_display_`)."""
    if formatter is not None:
        data, _ = formatter(value, include=include, exclude=exclude)
        return {mime: encoded(mime, form) for mime, form in data.items()} or None
    if not isinstance(value, type):
        itself = _method(value, "_ipython_display_")
        if itself is not None:
            try:
                itself()
                return None
            except Exception:
                # As for the other methods: a form that can't be made is no reason to show nothing.
                pass
    data = _rich(value)
    if "text/plain" not in data:
        data["text/plain"] = pretty.text_of(value, runs.limit())
    if include:
        data = {mime: form for mime, form in data.items() if mime in include}
    if exclude:
        data = {mime: form for mime, form in data.items() if mime not in exclude}
    return data


def _rich(value):
    data = {}
    if isinstance(value, type):
        return data
    bundle = _call(value, "_repr_mimebundle_", include=None, exclude=None)
    if isinstance(bundle, tuple):
        bundle = bundle[0] if bundle else None
    if isinstance(bundle, dict):
        for mime, form in bundle.items():
            if isinstance(mime, str) and form is not None:
                data[mime] = encoded(mime, form)
    for mime, name in METHODS:
        if mime in data:
            continue
        form = _call(value, name)
        if isinstance(form, tuple):
            # The second part is metadata, which nobody here reads.
            form = form[0] if form else None
        if form is not None:
            data[mime] = encoded(mime, form)
    add_known(value, data)
    return data


def add_known(value, data):
    """Adds what the driver knows of some types."""
    for module_name, class_name, file in _KNOWN:
        kind = getattr(sys.modules.get(module_name), class_name, None)
        if isinstance(kind, type) and isinstance(value, kind):
            _add_forms(file, value, data)


def _add_forms(file, value, data):
    try:
        if file == "figures":
            from . import figures as maker
        elif file == "tables":
            from . import tables as maker
        else:
            from . import images as maker
        maker.add_forms(value, data)
    except Exception:
        pass


def _method(value, name):
    """The method, unless the object answers to every name."""
    try:
        if getattr(value, "_ipython_canary_method_should_not_exist_", None) is not None:
            return None
        method = getattr(value, name, None)
    except Exception:
        return None
    return method if callable(method) else None


def _call(value, name, **arguments):
    method = _method(value, name)
    if method is None:
        return None
    try:
        return method(**arguments)
    except Exception:
        return None


def is_json(mime):
    return mime == "application/json" or mime.endswith("+json")


def encoded(mime, form):
    """The value as an event may hold it: binary data as base64, text as text."""
    if is_json(mime):
        return form
    if isinstance(form, (bytes, bytearray, memoryview)):
        form = bytes(form)
        if mime.startswith("text/") or mime == "image/svg+xml":
            return form.decode("utf-8", "replace")
        return binascii.b2a_base64(form, newline=False).decode("ascii")
    return form if isinstance(form, str) else str(form)
