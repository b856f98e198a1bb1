"""Makes the driver's files a package that lives in memory, and runs main.py.

This is the package module itself (`_k2_driver`). The start program puts two names into it: `sources`, file name to text, and
`has_working_folder`, whether `sys.path` began with the working directory. That entry is away until main.py is ready, so that a
file of the user named like a module of the standard library is not what the driver gets.
"""

import builtins
import sys

PACKAGE = "_k2_driver"
FOLDER = "<k2 driver>/"

# What the code does to the builtins is its own affair: the driver's files keep those of the start.
PRIVATE_BUILTINS = dict(vars(builtins))

# Where modules of the standard library are found, and no file of the user.
START_PATH = sys.path[:]

# Modules that were run, by full name: they outlive `sys.modules.clear()`.
loaded = {}

ModuleSpec = type(sys.__spec__)


class MemoryFinder:
    """Finds and loads the driver's modules; each is compiled when it is first imported."""

    def find_spec(self, name, path=None, target=None):
        if name == PACKAGE:
            return ModuleSpec(name, self, origin=FOLDER + "importer.py", is_package=True)
        if name.startswith(PACKAGE + ".") and file_of(name) in sources:
            return ModuleSpec(name, self, origin=FOLDER + file_of(name))
        return None

    def create_module(self, spec):
        return loaded.get(spec.name)

    def exec_module(self, module):
        self.run_module(module)
        self.after_load()

    def run_module(self, module):
        # Interrupts leave this function alone: a module must not be left half made.
        name = module.__name__
        if name in loaded:
            return
        module.__builtins__ = PRIVATE_BUILTINS
        path = sys.path[:]
        sys.path[:] = START_PATH
        try:
            exec(compile(sources[file_of(name)], FOLDER + file_of(name), "exec", 0, True), vars(module))
        finally:
            sys.path[:] = path
        loaded[name] = module

    def after_load(self):
        """Set by interrupts.py: raises what came meanwhile."""

    def get_source(self, name):
        return sources[file_of(name)]


def file_of(name):
    return "importer.py" if name == PACKAGE else name.rpartition(".")[2] + ".py"


finder = MemoryFinder()
package = type(sys)(PACKAGE)
package.__dict__.update(globals())
package.__path__ = []
package.__package__ = PACKAGE
package.__loader__ = finder
package.__spec__ = finder.find_spec(PACKAGE)
loaded[PACKAGE] = sys.modules[PACKAGE] = package
sys.meta_path.insert(0, finder)

from _k2_driver import main  # noqa: E402

main.main(has_working_folder)  # noqa: F821
