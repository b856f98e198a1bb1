"""What SIGINT does: it raises KeyboardInterrupt in the code of a run, and nowhere else.

Python calls the handler between two instructions of whatever the main thread does, so the handler looks at the frames below it.
Code of a run is all that `guarded` called. Within it the functions marked by `shield` must not be torn: an interrupt there is
only noted, and raised by the `deliver` that their callers use next.
"""

import _signal

from . import finder

SIGINT = _signal.SIGINT

# Code objects that an interrupt must not tear.
_shields = {type(finder).run_module.__code__}

# Whether an interrupt is for the run: from its `started` event to the end of its code.
_is_open = False
# Set while an event loop runs: gets the frame, and answers whether it has dealt with the interrupt.
in_loop = None
# Whether `guarded` is running.
_is_guarding = False
# Whether an interrupt came that was not raised yet.
_is_pending = False


def shield(function):
    """Marks a function whose frame (and what it calls) an interrupt leaves alone."""
    _shields.add(function.__code__)
    return function


def install():
    """Makes SIGINT ours again, whatever the code did to it."""
    if not is_installed():
        _signal.signal(SIGINT, _on_interrupt)
        # What came until now was for the handler of the code.
        note_call()


def note_call():
    """Set by reminder.py."""


def is_installed():
    return _signal.getsignal(SIGINT) is _on_interrupt


def ignore():
    _signal.signal(SIGINT, _signal.SIG_IGN)


def open_run():
    global _is_open, _is_pending
    _is_pending = False
    _is_open = True


def close_run():
    global _is_open, _is_pending
    _is_open = False
    _is_pending = False


def deliver():
    """Raises the interrupt that came while a shielded function ran."""
    global _is_pending
    if _is_pending and _is_guarding:
        _is_pending = False
        raise KeyboardInterrupt


def guarded(function, *arguments):
    """Calls what runs code of the user. From the first instruction here to the last an interrupt raises."""
    global _is_guarding
    try:
        _is_guarding = True
        deliver()
        return function(*arguments)
    finally:
        _is_guarding = False


def _on_interrupt(number, frame):
    global _is_pending
    note_call()
    if in_loop is not None and in_loop(frame):
        return
    is_driver = False
    while frame is not None:
        code = frame.f_code
        if code in _shields:
            _is_pending = _is_open
            return
        if code is _GUARDED:
            _is_pending = False
            raise KeyboardInterrupt
        is_driver = is_driver or code is _SERVE
        frame = frame.f_back
    if not is_driver and _is_guarding:
        # A coroutine library that switches stacks: the frames end before ours.
        raise KeyboardInterrupt
    _is_pending = _is_open


def name_loop(function):
    """Tells which function is the driver's own loop: frames that end in it are not the code's."""
    global _SERVE
    _SERVE = function.__code__
    return function


finder.after_load = deliver
_GUARDED = guarded.__code__
_SERVE = None
