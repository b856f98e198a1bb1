"""Makes what notebooks add to Python work: with IPython's own shell where it is installed, else with ours."""

import builtins


def rewrite(source):
    """The cell in Python, or None if it holds nothing that only notebooks know. `get_ipython` is there from then on."""
    from . import ipython

    if ipython.is_installed():
        ipython.start()
        rewritten = ipython.rewrite(source)
        return rewritten if rewritten.rstrip("\n") != source.rstrip("\n") else None
    from . import rewrite as own

    rewritten = own.rewrite(source)
    if rewritten is not None:
        from . import shell

        builtins.get_ipython = shell.current
    return rewritten
