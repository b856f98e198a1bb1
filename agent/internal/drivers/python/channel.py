"""The two pipes to the agent: requests on 3, events on 4, one JSON object a line."""

import os
from _thread import RLock

from . import interrupts, output
from .text import decode, encode

REQUESTS = 3
EVENTS = 4
_CHUNK = 1 << 16

# One exchange at a time: a display and its ack belong together.
_lock = RLock()
_received = bytearray()


class Closed(BaseException):
    """The agent closed a pipe: there is nothing left to do."""


def keep_from_children():
    os.set_inheritable(REQUESTS, False)
    os.set_inheritable(EVENTS, False)


@interrupts.shield
def send(event):
    with _lock:
        _write(encode(event).encode("ascii") + b"\n")


@interrupts.shield
def exchange(line, wants_ack):
    """Sends a display, given as JSON, after all that was printed before it, and waits for the agent's answer if it wants one."""
    with _lock:
        output.flush()
        _write(line.encode("ascii") + b"\n")
        if wants_ack:
            _read_line()


def receive():
    """The next request that is one, or None at the end."""
    while True:
        try:
            line = _read_line()
        except Closed:
            return None
        try:
            request = decode(line.decode("utf-8"))
        except (ValueError, StopIteration):
            continue
        if request.get("op") == "run":
            return request


@interrupts.shield
def _write(line):
    rest = memoryview(line)
    while rest:
        try:
            rest = rest[os.write(EVENTS, rest):]
        except OSError:
            _end()


@interrupts.shield
def _read_line():
    start = 0
    while True:
        end = _received.find(b"\n", start)
        if end >= 0:
            line = bytes(_received[:end])
            del _received[:end + 1]
            return line
        start = len(_received)
        try:
            chunk = os.read(REQUESTS, _CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            _end()
        _received.extend(chunk)


def _end():
    from . import ending

    if ending.is_main_thread():
        raise Closed
    os._exit(1)


def forget():
    """In a forked child: these pipes are the parent's, and so is the lock."""
    global _lock
    _lock = RLock()
    for descriptor in (REQUESTS, EVENTS):
        try:
            os.close(descriptor)
        except OSError:
            pass
