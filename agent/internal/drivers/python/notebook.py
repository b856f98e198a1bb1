"""`IPython` where it is not installed: the part of it that code for notebooks imports, on top of the driver's display.

`get_ipython()` answers None, so that libraries that look for a notebook take the plain way.
"""

import sys

from . import display, objects

_NAMES = ("IPython", "IPython.display", "IPython.core", "IPython.core.display", "IPython.core.display_functions")
_FUNCTIONS = ("DisplayHandle", "clear_output", "display", "publish_display_data", "update_display")

_ModuleSpec = type(sys.__spec__)


class _Loader:
    """Fills a module of ours when it is imported."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if module.__name__ == "IPython":
            module.get_ipython = lambda: None
            module.version_info = (0, 0, 0)
            module.__version__ = "0.0.0"
        if module.__name__ == "IPython.core":
            return
        for name in _FUNCTIONS:
            setattr(module, name, getattr(display, name))
        for name in objects.PUBLIC:
            setattr(module, name, getattr(objects, name))
        for name, mime in objects.SHORT.items():
            setattr(module, "display_" + name, _display_as(mime))


def find_spec(name):
    if name not in _NAMES:
        return None
    return _ModuleSpec(name, _Loader(), origin="<k2 driver>", is_package=name in ("IPython", "IPython.core"))


def _display_as(mime):
    def display_form(*objs, raw=False, **options):
        """Displays one form of each object, and its text."""
        for value in objs:
            if raw:
                display.publish_display_data({mime: value})
            else:
                display.display(value, include=(mime, "text/plain"), **options)

    return display_form
