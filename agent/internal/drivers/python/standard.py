"""Modules of the standard library that the driver needs later than at its start.

By then the code may have imported a file of its own with the same name: that is not what is meant here.
"""

import os
import sys

from . import START_PATH

_HOME = os.__file__.rpartition("os.py")[0]


def load(name):
    """The module of the standard library, whatever the code has put into its way."""
    found = sys.modules.get(name)
    if found is not None and _is_standard(found):
        return found
    hidden = {key: sys.modules.pop(key) for key in _keys_of(name)}
    path = sys.path[:]
    sys.path[:] = START_PATH
    try:
        __import__(name)
        return sys.modules[name]
    finally:
        sys.path[:] = path
        if hidden:
            for key in _keys_of(name):
                del sys.modules[key]
            sys.modules.update(hidden)


def _keys_of(name):
    return [key for key in list(sys.modules) if key.partition(".")[0] == name]


def _is_standard(module):
    file = getattr(module, "__file__", None)
    return file is None or file.startswith(_HOME)
