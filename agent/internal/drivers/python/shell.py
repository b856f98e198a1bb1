"""What `get_ipython()` answers in rewritten code where IPython is not installed: commands, and the magics of magics.py."""

import os
import re
import subprocess
import sys

from . import output

_NAME = re.compile(r"\{\{|\}\}|\{([^{}\n]+)\}|\$(\w+)|\$\$")


class UsageError(Exception):
    """A magic was not used as it has to be."""

    # Shown without a module's name, like Python's own errors.
    __module__ = "builtins"


class Shell:
    """The one of this context."""

    def __init__(self, namespace):
        self.user_ns = namespace

    def run_line_magic(self, name, line):
        from . import magics

        return magics.find(name, "line", UsageError)(self, self.expand(line))

    def run_cell_magic(self, name, line, cell):
        from . import magics

        return magics.find(name, "cell", UsageError)(self, self.expand(line), cell)

    def system(self, command):
        """Runs a command; it prints to the cell. Its exit code is kept in `_exit_code`."""
        output.flush()
        self.user_ns["_exit_code"] = subprocess.call(self.expand(command), shell=True, executable=_shell())

    def getoutput(self, command):
        """Runs a command; its lines are the answer."""
        output.flush()
        done = subprocess.run(self.expand(command), shell=True, executable=_shell(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return Lines(done.stdout.decode("utf-8", "replace").splitlines())

    def expand(self, text):
        """Puts values in: {expression} and $name, where there is such a name; everything else stays for the shell."""

        def value(match):
            expression = match.group(1) or match.group(2)
            if expression is None:
                # A doubled sign stands for itself.
                return match.group(0)[0]
            if match.group(2) is not None and expression not in self.user_ns:
                return match.group(0)
            try:
                return str(eval(expression, self.user_ns))
            except Exception:
                return match.group(0)

        return _NAME.sub(value, text)


class Lines(list):
    """The lines of a command."""

    @property
    def n(self):
        return "\n".join(self)

    @property
    def s(self):
        return " ".join(self)

    l = property(list)  # noqa: E741


def _shell():
    for path in ("/bin/bash", "/usr/bin/bash"):
        if os.path.exists(path):
            return path
    return "/bin/sh"


_current = None


def current():
    global _current
    if _current is None:
        _current = Shell(vars(sys.modules["__main__"]))
    return _current
