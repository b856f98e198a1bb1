"""A forked child is a program of the user: it must never speak with the agent."""

import os
import sys
from time import sleep

from . import channel, output, reminder

is_child = False


def install():
    os.register_at_fork(before=_prepare, after_in_child=_become_child)


def _prepare():
    """No thread of ours may run, or Python warns the user of a fork with threads."""
    before = _count_threads()
    stopped = output.stop_ticks() + reminder.stop()
    # For Python a thread is over a moment before it is for the system, which is what the fork looks at.
    for _ in range(50 if stopped else 0):
        if _count_threads() <= before - stopped:
            return
        sleep(0.0001)


def _count_threads():
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 0


def _become_child():
    global is_child
    is_child = True
    channel.forget()
    reminder.forget()
    output.after_fork_in_child()


def leave(error):
    """The code of the cell ended in a child: it ends as a Python program does."""
    if isinstance(error, SystemExit):
        raise error
    if error is not None:
        from . import failures

        sys.stderr.write("\n".join(failures.describe(error)["traceback"] or ()) + "\n")
        sys.exit(1)
    sys.exit(0)
