"""An exception as the agent gets it: name, value and the lines of Python's own traceback, without the driver's frames."""

import sys

from . import FOLDER, START_PATH, standard

traceback = standard.load("traceback")

# An error is a message, not data.
VALUE_CHARACTERS = 1 << 16
TRACEBACK_CHARACTERS = 1 << 18
PLAIN_FRAMES = 100


def describe(error):
    """The members of an `error` event. Works for exceptions whose own methods fail."""
    return {"name": type(error).__name__, "value": shorten(_text_of(error), VALUE_CHARACTERS), "traceback": _lines_of(error)}


def shorten(text, limit):
    if len(text) <= limit:
        return text
    left = len(text[limit:].encode("utf-8", "replace"))
    return "%s\n… %d bytes left out" % (text[:limit], left)


def _text_of(error):
    try:
        return str(error)
    except Exception:
        return "<exception str() failed>"


def _lines_of(error):
    trace = first_frame_of_code(error.__traceback__)
    path = sys.path[:]
    # The module imports others while it works.
    sys.path[:] = START_PATH
    try:
        report = traceback.TracebackException(type(error), error, trace)
        _hide_driver(report, set())
        text = "".join(report.format())
    except Exception:
        # No memory, a module of the user in the way, or an exception made to break this.
        text = "\n".join(_plain_lines(error, trace))
    finally:
        sys.path[:] = path
    return shorten(text, TRACEBACK_CHARACTERS).rstrip("\n").split("\n")


def _plain_lines(error, trace):
    """The same with nothing but places."""
    lines = ["Traceback (most recent call last):"]
    while trace is not None and len(lines) < PLAIN_FRAMES:
        code = trace.tb_frame.f_code
        lines.append('  File "%s", line %s, in %s' % (code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    return [*lines, "%s: %s" % (type(error).__name__, _text_of(error))]


def first_frame_of_code(trace):
    """The traceback from where the code of the user begins."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(FOLDER):
        trace = trace.tb_next
    return trace


def _hide_driver(report, seen):
    """Takes the driver's frames out, also in the exceptions that led to this one."""
    if report is None or id(report) in seen:
        return
    seen.add(id(report))
    if report.stack is not None:
        report.stack[:] = [frame for frame in report.stack if not frame.filename.startswith(FOLDER)]
    for other in (report.__cause__, report.__context__, *(getattr(report, "exceptions", None) or ())):
        _hide_driver(other, seen)
