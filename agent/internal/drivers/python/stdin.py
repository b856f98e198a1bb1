"""Standard input in a cell: there is none, and reading says so at once."""

import io

MESSAGE = "there is no standard input in a code cell; pass the value in the code"


class NoInput(io.TextIOBase):
    """Stands for sys.stdin."""

    name = "<stdin>"
    mode = "r"
    encoding = "utf-8"
    errors = "strict"

    def _fail(self, *_):
        raise EOFError(MESSAGE)

    read = readline = readlines = __next__ = _fail

    def readable(self):
        return True

    def fileno(self):
        return 0

    def close(self):
        # exit() of the standard library closes it, and the next cell must get the same message.
        pass

    @property
    def buffer(self):
        return self
