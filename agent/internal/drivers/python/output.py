"""sys.stdout and sys.stderr on the real descriptors 1 and 2: each line at once, and fast where there are many.

A text stream of the standard library asks its instance for `write` first. As long as little is printed there is a function of ours,
which writes each line at once. After many lines it takes itself away, so that the stream's own fast `write` collects
what comes, until a thread that lives for one tick flushes it and puts the function back. Cells that print little have no thread.
"""

import _signal
import io
import sys
from _thread import allocate_lock, start_new_thread
from sys import _getframe
from time import monotonic

from . import interrupts

# So long text may lie in a buffer.
TICK_SECONDS = 0.005
# Names in a function that writes to a stream without print().
_WRITES = frozenset(("write", "writelines"))
# So many lines in a tick are written one by one.
LINES_AT_ONCE = 200


class Stream:
    """One text stream, its `write` function and its tick."""

    def __init__(self, descriptor, name):
        raw = io.FileIO(descriptor, "wb", closefd=False)
        raw.name = name
        # Nothing that can be printed fails: a character without UTF-8 is shown as its escape.
        self.text = io.TextIOWrapper(io.BufferedWriter(raw, 1 << 16), "utf-8", "backslashreplace", "\n")
        self.text.mode = "w"
        self._plain_write = self.text.write
        self._lines = 0
        self._is_ticking = False
        self._end_time = 0.0
        self._wake = allocate_lock()
        self._ended = allocate_lock()
        self.hook()

    def hook(self):
        self._lines = 0
        self.text.write = self._write

    def _write(self, text):
        count = self._plain_write(text)
        if text and "\n" not in text:
            # print() writes the end of the line next, if only as "". Nothing follows where the code itself calls `write`.
            if not _WRITES.isdisjoint(_getframe(1).f_code.co_names):
                self._start_tick()
                interrupts.deliver()
        elif self._lines < LINES_AT_ONCE:
            self._lines += 1
            self.text.flush()
        elif self._start_tick():
            self.text.__dict__.pop("write", None)
            interrupts.deliver()
        else:
            self.text.flush()
        return count

    @interrupts.shield
    def _start_tick(self):
        """Whether the text will be flushed in a moment."""
        if not self._is_ticking:
            self._is_ticking = True
            self._wake.acquire(False)
            self._ended.acquire(False)
            try:
                start_new_thread(self._tick, ())
            except RuntimeError:
                # There may be a limit of threads: then everything is written at once.
                self._is_ticking = False
                self.text.flush()
        return self._is_ticking

    def _tick(self):
        _signal.pthread_sigmask(_signal.SIG_BLOCK, (_signal.SIGINT,))
        self._wake.acquire(True, TICK_SECONDS)
        # First the function, then the flush: what is written in between is not forgotten.
        self.hook()
        try:
            self.text.flush()
        except (OSError, ValueError):
            pass
        self._is_ticking = False
        self._end_time = monotonic()
        self._ended.release()

    def is_lost(self):
        """Whether the code closed the stream, or took its buffer away."""
        try:
            return self.text.closed
        except ValueError:
            return True

    def flush(self):
        if not self.is_lost():
            self.text.flush()

    def stop_tick(self):
        """Ends the thread now, so that a fork copies a process of one thread. Whether there was one, perhaps a moment ago."""
        if not self._is_ticking:
            return monotonic() - self._end_time < TICK_SECONDS
        if self._wake.locked():
            self._wake.release()
        with self._ended:
            return True

    def reset(self):
        """In a forked child no tick is left."""
        self._is_ticking = False
        self._wake = allocate_lock()
        self._ended = allocate_lock()
        self.hook()


_streams = []


def install():
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = Stream(descriptor, "<%s>" % name)
        _streams.append(stream)
        setattr(sys, name, stream.text)
        setattr(sys, "__%s__" % name, stream.text)


def reopen():
    """Before a run: gives back what the code of the last one closed."""
    for index, name in enumerate(("stdout", "stderr")):
        stream = _streams[index]
        current = getattr(sys, name, None)
        if stream.is_lost():
            is_current = current is stream.text
            stream = _streams[index] = Stream(index + 1, "<%s>" % name)
            setattr(sys, "__%s__" % name, stream.text)
            if is_current:
                current = None
        if current is None:
            setattr(sys, name, stream.text)


def flush():
    """Everything that was printed is in the pipes."""
    for stream in _streams:
        stream.flush()
    for name in ("stdout", "stderr"):
        replaced = getattr(sys, name, None)
        if replaced is not _streams[0].text and replaced is not _streams[1].text:
            try:
                replaced.flush()
            except Exception:
                # It is the code's own object.
                pass
    if "ctypes" in sys.modules:
        _flush_c()


def _flush_c():
    """What C extensions have printed. Only where ctypes is there already, as it is with numpy: it costs 5 ms to load."""
    global _flush_all
    if _flush_all is None:
        try:
            _flush_all = sys.modules["ctypes"].pythonapi.fflush
        except Exception:
            _flush_all = _nothing
    _flush_all(None)


def _nothing(_):
    pass


_flush_all = None


def stop_ticks():
    """Before a fork. How many threads there were."""
    stopped = 0
    for stream in _streams:
        stopped += stream.stop_tick()
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    return stopped


def after_fork_in_child():
    for stream in _streams:
        stream.reset()
