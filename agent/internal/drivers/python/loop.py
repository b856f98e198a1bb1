"""One event loop for the whole context: what a cell leaves running goes on when the next one awaits."""

import os
import warnings

from . import interrupts, standard

asyncio = standard.load("asyncio")
selectors = standard.load("selectors")

# Files in which the loop itself works: an exception there would make it forget what it was about to run.
_OWN_FOLDERS = (os.path.dirname(asyncio.__file__), selectors.__file__)

_loop = None
_task = None
_is_interrupted = False


def run(coroutine):
    """Runs a coroutine of the cell to its end, and the context's other tasks meanwhile."""
    global _task, _is_interrupted
    _is_interrupted = False
    interrupts.in_loop = _cancel_where_loop_works
    try:
        loop = _current_loop()
        task = _task = loop.create_task(coroutine)
        task.add_done_callback(_stop)
        try:
            loop.run_forever()
        except BaseException as error:
            if task.done():
                return _result_of(task)
            _cancel(loop, task, error)
            raise
        return _result_of(task)
    finally:
        interrupts.in_loop = None
        if _task is None:
            # An interrupt came before it was anybody's.
            coroutine.close()
        _task = None


def call(function, *arguments):
    """Calls a function as if the loop were running, for cells that make tasks without awaiting them."""

    async def step():
        return function(*arguments)

    return run(step())


def _stop(task):
    # After an interrupt this may be called late, in the time of another cell.
    if task is _task:
        task.get_loop().stop()


def _cancel_where_loop_works(frame):
    """For an interrupt: cancels the cell's task if no code of the user is running just now. The answer is whether it did."""
    global _is_interrupted
    if _task is None or _is_interrupted:
        return False
    while frame.f_code is not _RUN:
        if not frame.f_code.co_filename.startswith(_OWN_FOLDERS):
            return False
        frame = frame.f_back
        if frame is None:
            return False
    _is_interrupted = True
    _task.cancel()
    # Wakes the loop up.
    _task.get_loop().call_soon_threadsafe(_nothing)
    return True


def _nothing():
    pass


_RUN = run.__code__


def _result_of(task):
    if task.cancelled():
        # Its exception is only made when it is asked for, and knows where the code stood.
        try:
            return task.result()
        except asyncio.CancelledError as cancelled:
            if not _is_interrupted:
                raise
            trace = cancelled.__traceback__
        raise KeyboardInterrupt().with_traceback(trace)
    error = task.exception()
    if error is not None:
        # Not `task.result()`: that would add its own lines to the traceback.
        raise error
    return task.result()


def _cancel(loop, task, error):
    """Something ended the loop, not the cell: an interrupt, or a task in the background that exits. The cell may clean up."""
    task.cancel()
    loop.run_forever()
    if task.cancelled():
        try:
            task.result()
        except asyncio.CancelledError as cancelled:
            # Where the code stood says more than where the loop did.
            error.__traceback__ = cancelled.__traceback__ or error.__traceback__
            error.__context__ = None
    elif task.exception() is not None and not isinstance(task.exception(), KeyboardInterrupt):
        raise task.exception()


def _current_loop():
    global _loop
    if _loop is None or _loop.is_closed():
        _loop = _loop_of_code() or asyncio.new_event_loop()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asyncio.set_event_loop(_loop)
    return _loop


def _loop_of_code():
    """The loop that the code has already made and set, if any."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loop = asyncio.get_event_loop()
        except Exception:
            return None
    return None if loop.is_closed() or loop.is_running() else loop
