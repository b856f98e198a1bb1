"""Runs one cell: compile, execute, show, report."""

import sys

from . import channel, code, ending, exits, forks, interrupts, output, place, reminder, runs, show

CO_COROUTINE = 0x80

# Names that need a running event loop. A cell with one of them, and without `asyncio.run`, runs inside the loop.
_LOOP_NAMES = frozenset(("create_task", "get_running_loop", "TaskGroup"))
_LOOP_OWNERS = frozenset(("run", "run_until_complete", "Runner"))


def run(request, count, namespace):
    """Runs a request to its `end` event. Raises what a forked child must end with."""
    current = runs.Run(request)
    interrupts.open_run()
    runs.current = current
    channel.send({"type": "started", "id": current.id})
    interrupts.install()
    reminder.start()
    output.reopen()
    namespace.pop("__warningregistry__", None)
    where = place.Place(request.get("cwd"), request.get("env"))
    error = None
    try:
        where.enter()
        interrupts.guarded(_execute, request["code"], "<cell %d>" % count, namespace)
    except channel.Closed:
        raise
    except BaseException as caught:
        error = caught
    if forks.is_child:
        forks.leave(error)
    interrupts.install()
    error = _show_figures() or error
    where.leave()
    exit_code = 0 if error is None else _report(current, error)
    interrupts.close_run()
    _flush()
    runs.current = None
    channel.send({"type": "end", "id": current.id, "exit_code": exit_code})


def abandon(error):
    """Something of the code got into the driver's own work, such as a signal handler that raises: the run ends with that."""
    current = runs.current
    runs.current = None
    channel.send(dict(_describe(error), type="error", id=current.id))
    channel.send({"type": "end", "id": current.id, "exit_code": 1})


def _execute(source, filename, namespace):
    show.show_waiting()
    code.remember(filename, source)
    for part in code.compile_cell(source, filename):
        if part.co_flags & CO_COROUTINE:
            from . import loop

            loop.run(eval(part, namespace))
        elif _needs_loop(part):
            from . import loop

            loop.call(eval, part, namespace)
        else:
            exec(part, namespace)


def _needs_loop(part):
    names = part.co_names
    return not _LOOP_NAMES.isdisjoint(names) and _LOOP_OWNERS.isdisjoint(names)


def _show_figures():
    """Figures that the code left open. The answer is an interrupt that came meanwhile."""
    if "matplotlib.pyplot" not in sys.modules:
        return None
    from . import figures

    try:
        interrupts.guarded(figures.show_open)
    except (KeyboardInterrupt, SystemExit) as error:
        return error
    except Exception as error:
        return error
    return None


def _report(current, error):
    """Sends the error of the run, if it is one. The answer is the exit code."""
    exit_code = 1
    if isinstance(error, SystemExit):
        exit_code = exits.code_of(error)
    if exit_code != 0:
        channel.send(dict(_describe(error), type="error", id=current.id))
    return exit_code


def _describe(error):
    try:
        from . import failures

        # The exception's own methods are code of the user.
        return interrupts.guarded(failures.describe, error)
    except KeyboardInterrupt as interrupt:
        error = interrupt
    except BaseException:
        # The code has broken what is needed to say more.
        pass
    return {"name": type(error).__name__, "value": "", "traceback": None}


def _flush():
    try:
        output.flush()
    except OSError as error:
        ending.die("the code closed its standard output: %s" % error)
