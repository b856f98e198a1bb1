"""The driver's end: exit handlers run, but not for ever."""

import _signal
import os
import sys
from _thread import get_ident

from . import interrupts, output

LIMIT_SECONDS = 2

_main_thread = get_ident()


def is_main_thread():
    return get_ident() == _main_thread


def die(message):
    """Ends the process at once: nothing that it says would arrive any more."""
    try:
        os.write(2, message.encode("utf-8", "replace") + b"\n")
    except OSError:
        pass
    os._exit(1)


def finish():
    """After it the interpreter ends by itself: threads are joined, exit handlers run. The kernel ends what takes too long."""
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.setitimer(_signal.ITIMER_REAL, LIMIT_SECONDS)
    interrupts.ignore()
    try:
        output.flush()
    except (OSError, ValueError):
        pass
    sys.exit(0)
