"""The driver: prepares the interpreter for the code, says that it is ready, and runs one request after the other."""

import builtins
import sys

from . import PRIVATE_BUILTINS, cell, channel, ending, forks, interrupts, output, reminder, runs, stdin, values, watch


def main(has_working_folder):
    """Ends by SystemExit: the rest of the way out is the interpreter's."""
    channel.keep_from_children()
    namespace = _make_namespace()
    _prepare(namespace)
    if has_working_folder:
        sys.path.insert(0, "")
    reminder.start()
    try:
        channel.send({"type": "ready", "version": sys.version.split()[0]})
        serve(namespace)
    except channel.Closed:
        pass
    ending.finish()


def _make_namespace():
    """`__main__` as a program has it: nothing of the driver is seen in it."""
    module = sys.modules["__main__"]
    namespace = vars(module)
    for name in list(namespace):
        if not name.startswith("__"):
            del namespace[name]
    return namespace


def _prepare(namespace):
    sys.argv[:] = [""]
    output.install()
    sys.stdin = sys.__stdin__ = stdin.NoInput()
    interrupts.install()
    forks.install()
    watch.install()
    values.install(namespace)
    sys.displayhook = values.displayhook
    builtins.display = display


def display(*objs, **options):
    """Shows objects in all forms they have; see IPython.display.display."""
    from . import display as implementation

    return implementation.display(*objs, **options)


@interrupts.name_loop
def serve(namespace):
    modules = dict(sys.modules)
    names_at_start = len(vars(builtins))
    count = 0
    while True:
        try:
            request = channel.receive()
            if request is None:
                return
            count += 1
            if sys.modules.get("__main__") is None or sys.modules.get("sys") is not sys:
                # Without them nothing can be imported, nor be found by pickle.
                _restore(modules)
            if len(vars(builtins)) < names_at_start:
                # The import system of Python itself needs them.
                for name, value in PRIVATE_BUILTINS.items():
                    vars(builtins).setdefault(name, value)
            cell.run(request, count, namespace)
        except channel.Closed:
            raise
        except BaseException as error:
            if forks.is_child:
                raise
            if runs.current is not None:
                cell.abandon(error)
            else:
                # A signal handler of the code that raises between two cells.
                sys.excepthook(*sys.exc_info())


def _restore(modules):
    """Gives back the modules of the start that the code has taken away."""
    for name, module in modules.items():
        sys.modules.setdefault(name, module)
    sys.modules["sys"] = sys
