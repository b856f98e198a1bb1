"""Reminds the main thread of an interrupt that it has overlooked.

Python notes a signal and looks at its notes between two instructions. A signal that comes after the last look and before a system
call that blocks is only seen when that call returns, which may be never. So a thread reads a pipe into which the interpreter writes
the number of each signal when it comes, and our handler a mark when it is called. If no mark follows, the thread sends the signal again.

It also does so for an interrupt that was raised where Python throws exceptions away, as in `__del__`.
"""

import _signal
import os
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from time import sleep

from . import interrupts

# So long the main thread may take to call the handler.
PATIENCE_SECONDS = 0.01
# C code that never looks is not asked more often than this.
PATIENCE_MOST_SECONDS = 1.0

_STOP = 0
_CALLED = 255

_main_thread = get_ident()
_reading = _writing = -1
_is_running = False
_ended = allocate_lock()


def start():
    """Before each run: the thread is there, and the interpreter writes to it, unless an event loop of the code took that."""
    global _reading, _writing, _is_running
    if _reading < 0:
        _reading, _writing = os.pipe()
        os.set_blocking(_writing, False)
    if not _is_running:
        _is_running = True
        _ended.acquire()
        try:
            start_new_thread(_watch, (_reading,))
        except RuntimeError:
            # No thread more is allowed: then without.
            _is_running = False
            _ended.release()
    before = _signal.set_wakeup_fd(_writing, warn_on_full_buffer=False)
    if before not in (-1, _writing):
        _signal.set_wakeup_fd(before)


def stop():
    """Before a fork, which copies no threads. Whether there was one."""
    global _is_running
    if not _is_running:
        return False
    try:
        os.write(_writing, bytes((_STOP,)))
    except OSError:
        return False
    with _ended:
        _is_running = False
    return True


def forget():
    """In a forked child: the pipe is the parent's."""
    global _reading, _writing, _is_running, _ended
    if _reading >= 0:
        _signal.set_wakeup_fd(-1)
        os.close(_reading)
        os.close(_writing)
    _reading = _writing = -1
    _is_running = False
    _ended = allocate_lock()


def _watch(reading):
    try:
        # The signal itself is for the main thread.
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (interrupts.SIGINT,))
        patience = PATIENCE_SECONDS
        numbers = os.read(reading, 512)
        while numbers and _STOP not in numbers:
            if _CALLED in numbers:
                patience = PATIENCE_SECONDS
            if not _is_waiting(numbers):
                numbers = os.read(reading, 512)
                continue
            sleep(patience)
            more = _read_now(reading)
            if not more and interrupts.is_installed():
                _signal.pthread_kill(_main_thread, interrupts.SIGINT)
                patience = min(patience * 2, PATIENCE_MOST_SECONDS)
            numbers = more or os.read(reading, 512)
    except OSError:
        # The code closed the pipe.
        pass
    finally:
        _ended.release()


def _is_waiting(numbers):
    """Whether the last interrupt among them was not followed by a call of the handler."""
    return numbers.rfind(interrupts.SIGINT) > numbers.rfind(_CALLED)


def _read_now(reading):
    os.set_blocking(reading, False)
    try:
        return os.read(reading, 512)
    except BlockingIOError:
        return b""
    finally:
        os.set_blocking(reading, True)


def note_call():
    """For the handler: it was called."""
    if _writing >= 0:
        try:
            os.write(_writing, bytes((_CALLED,)))
        except OSError:
            # Closed by the code.
            pass


def _notice_thrown_away(unraisable):
    if unraisable.exc_type is KeyboardInterrupt and get_ident() == _main_thread and _writing >= 0:
        os.write(_writing, bytes((interrupts.SIGINT,)))
    else:
        sys.__unraisablehook__(unraisable)


interrupts.note_call = note_call
sys.unraisablehook = _notice_thrown_away
