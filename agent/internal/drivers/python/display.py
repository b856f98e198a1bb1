"""display(): shows values while the code runs."""

import os

from . import forms, show


class DisplayHandle:
    """Names a display, so that it can be replaced."""

    def __init__(self, display_id=None):
        self.display_id = display_id if display_id is not None else os.urandom(16).hex()

    def __repr__(self):
        return "<DisplayHandle display_id=%s>" % self.display_id

    def display(self, obj, **options):
        display(obj, display_id=self.display_id, **options)

    def update(self, obj, **options):
        display(obj, display_id=self.display_id, update=True, **options)


def display(
    *objs,
    include=None,
    exclude=None,
    metadata=None,
    transient=None,
    display_id=None,
    raw=False,
    clear=False,
    update=False,
    **_,
):
    """Shows each object. `raw`: the objects are data by MIME type. `display_id`: True, or a name for a later `update`."""
    handle = None
    if display_id is not None or update:
        if update and display_id is None:
            raise TypeError("display_id is required for update=True")
        handle = DisplayHandle(None if display_id is True else str(display_id))
    for value in objs:
        data = raw_forms(value) if raw else forms.of(value, include, exclude)
        if data:
            show.show(data, display_id=handle and handle.display_id, update=bool(update))
    return handle


def update_display(obj, *, display_id, **options):
    """Replaces what was displayed under this name."""
    display(obj, display_id=display_id, update=True, **options)


def publish_display_data(data, metadata=None, source="", *, transient=None, update=False, **_):
    """Shows data by MIME type."""
    show.show(raw_forms(data), display_id=(transient or {}).get("display_id"), update=update)


def clear_output(wait=False):
    """What was shown has already been sent; it stays."""


def raw_forms(data):
    return {str(mime): forms.encoded(str(mime), form) for mime, form in data.items() if form is not None}
