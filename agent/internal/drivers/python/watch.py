"""Does something right after a module of a library was imported, and offers the notebook's module where it is not installed."""

import sys

from . import code


_WATCHED = ("linecache", "matplotlib.pyplot", "IPython")


class Watcher:
    """Stands first among the finders; for a watched module it asks the others and adds to what they found."""

    def find_spec(self, name, path=None, target=None):
        if name not in _WATCHED:
            return None
        for finder in sys.meta_path:
            if finder is self or isinstance(finder, NotebookFinder) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader:
    """The loader that was found, and what comes after it."""

    def __init__(self, loader):
        self._loader = loader

    def __getattr__(self, name):
        return getattr(self._loader, name)

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        if module.__name__ == "linecache":
            code.fill_linecache(module)
        elif module.__name__ == "IPython":
            from . import ipython

            ipython.start()
        else:
            from . import figures

            figures.prepare(module)


class NotebookFinder:
    """Stands last: `IPython` is ours only where no other is installed."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] != "IPython":
            return None
        from . import notebook

        return notebook.find_spec(name)


def install():
    sys.meta_path.insert(0, Watcher())
    sys.meta_path.append(NotebookFinder())
