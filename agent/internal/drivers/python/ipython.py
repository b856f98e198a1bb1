"""IPython where it is installed: its shell works in the context's namespace, and what it displays goes to the agent.

Loaded when a cell needs its notation, or when the code imports it; a cell of plain Python never does.
"""

import builtins
import sys

from . import forms


_shell = None


def is_installed():
    """Whether the real one is there: ours has no file."""
    module = sys.modules.get("IPython")
    if module is not None:
        return getattr(module, "__file__", None) is not None
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec("IPython", None) if find_spec else None
        if spec is not None:
            return spec.has_location
    return False


def rewrite(source):
    return _shell.transform_cell(source)


def start():
    """Makes the shell, once. Nothing of it is written to disk, and none of its prompts is used."""
    global _shell
    if _shell is not None:
        return
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.formatters import DisplayFormatter
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    if _shell is not None:
        # The import itself has called this.
        return

    class Publisher(DisplayPublisher):
        """Sends what display() shows to the agent."""

        def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **_):
            from . import display

            display.publish_display_data(data, transient=transient, update=update)

        def clear_output(self, wait=False):
            pass

    class Formatter(DisplayFormatter):
        """Adds what the driver knows of some types to the forms that are registered with IPython."""

        def format(self, obj, include=None, exclude=None):
            data, metadata = super().format(obj, include=include, exclude=exclude)
            if data:
                forms.add_known(obj, data)
            return data, metadata

    class Shell(InteractiveShell):
        """The shell of a context."""

        display_pub_class = Publisher

        def init_display_formatter(self):
            self.display_formatter = Formatter(parent=self)
            self.configurables.append(self.display_formatter)

        def system(self, command):
            from . import output

            output.flush()
            super().system_raw(command)

        def enable_gui(self, gui=None):
            pass

        def enable_matplotlib(self, gui=None):
            # Figures are shown without it.
            return gui, "agg"

        def init_sys_modules(self):
            # `__main__` is the context's own.
            pass

    config = Config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.history_length = 0
    main = sys.modules["__main__"]
    saved = {name: getattr(sys, name) for name in ("displayhook", "excepthook", "stdout", "stderr", "stdin")}
    names = set(vars(main))
    _shell = Shell.instance(config=config, user_module=main, user_ns=vars(main), display_pub_class=Publisher)
    for name in ("In", "Out", "_ih", "_oh", "_dh", "_i", "_ii", "_iii", "_i1", "exit", "quit", "open"):
        if name not in names:
            vars(main).pop(name, None)
    for name, value in saved.items():
        setattr(sys, name, value)
    forms.formatter = _shell.display_formatter.format
    from IPython.display import display

    # So that %%capture and formatters hold for it as well.
    builtins.display = display
