"""The working directory and the environment of one run, put back after it."""

import os


class Place:
    """Entered before a run; leaving it works whatever the code did in between."""

    def __init__(self, cwd, env):
        self._cwd = cwd
        self._env = env
        self._folder = None
        self._old = None
        self._environ = os.environ

    def enter(self):
        if self._env:
            self._old = {name: self._environ.get(name) for name in self._env}
            self._environ.update(self._env)
        if self._cwd is not None:
            # A descriptor finds the old directory even after it was renamed.
            self._folder = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
            os.chdir(self._cwd)

    def leave(self):
        if self._old:
            for name, value in self._old.items():
                if value is None:
                    self._environ.pop(name, None)
                else:
                    self._environ[name] = value
        if self._folder is not None:
            try:
                os.fchdir(self._folder)
                os.close(self._folder)
            except OSError:
                # The code closed it, or the directory can no longer be entered.
                pass
