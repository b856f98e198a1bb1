"""What `exit(…)` asks for, as an exit code."""

import sys


def code_of(error):
    """The exit code of a SystemExit. Text goes to stderr and counts as 1, as in a Python program."""
    code = error.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    try:
        print(code, file=sys.stderr)
    except Exception:
        # The code may have put anything there.
        pass
    return 1
