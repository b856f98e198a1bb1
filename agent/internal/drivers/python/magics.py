"""The magics that work without IPython."""

import os
import shlex
import subprocess
import sys
import time

from . import code, output, show

# Magics that only change how a notebook looks: nothing to do here.
_IGNORED = ("matplotlib", "autosave", "config", "load_ext", "reload_ext", "pylab", "precision", "colors", "autoreload")


def find(name, kind, error):
    """The function of a magic; `kind` is line or cell."""
    if name in _IGNORED and kind == "line":
        return _ignore
    function = globals().get("_%s_%s" % (kind, name))
    if function is None:
        signs = "%" if kind == "line" else "%%"
        raise error("%s magic %s%s is not known here; install IPython for all of them" % (kind.capitalize(), signs, name))
    return function


def _ignore(shell, line):
    return None


def _run_python(shell, *arguments):
    output.flush()
    shell.user_ns["_exit_code"] = subprocess.call([sys.executable, *arguments])


def _line_pip(shell, line):
    """Installs for this interpreter; what it finds new can be imported at once."""
    import importlib

    _run_python(shell, "-m", "pip", *shlex.split(line))
    importlib.invalidate_caches()


def _line_cd(shell, line):
    os.chdir(os.path.expanduser(line.strip("\"'") or "~"))
    print(os.getcwd())


def _line_pwd(shell, line):
    return os.getcwd()


def _line_env(shell, line):
    """%env, %env NAME, %env NAME=value, %env NAME value."""
    if not line:
        return dict(os.environ)
    name, separator, value = line.partition("=" if "=" in line else " ")
    if not separator:
        return os.environ.get(name)
    os.environ[name.strip()] = value.strip()
    print("env: %s=%s" % (name.strip(), value.strip()))
    return None


_line_set_env = _line_env


def _line_ls(shell, line):
    shell.system("ls " + line)


def _line_cat(shell, line):
    shell.system("cat " + line)


def _line_mkdir(shell, line):
    shell.system("mkdir " + line)


def _line_system(shell, line):
    return shell.getoutput(line)


_line_sx = _line_system


def _line_who(shell, line):
    names = [name for name in shell.user_ns if not name.startswith("_")]
    print("\t".join(sorted(names)) if names else "Interactive namespace is empty.")


def _line_reset(shell, line):
    """Forgets the names of the cells."""
    for name in [name for name in shell.user_ns if not (name.startswith("__") and name.endswith("__"))]:
        del shell.user_ns[name]


def _line_run(shell, line):
    """Runs a file as a program; its names stay."""
    import runpy

    path, *arguments = shlex.split(line)
    old = sys.argv[:]
    sys.argv[:] = [path, *arguments]
    try:
        names = runpy.run_path(path, run_name="__main__")
    finally:
        sys.argv[:] = old
    shell.user_ns.update({name: value for name, value in names.items() if not name.startswith("__")})


def _line_pinfo(shell, line):
    import pydoc

    print(pydoc.render_doc(eval(line, shell.user_ns), renderer=pydoc.plaintext))


def _line_time(shell, line):
    return _timed(shell, line)


def _cell_time(shell, line, cell):
    return _timed(shell, line + "\n" + cell if line else cell)


def _timed(shell, source):
    """Runs the code and prints how long it took; the value of a last expression is the answer."""
    start, start_cpu = time.perf_counter(), time.process_time()
    try:
        return _run_in_namespace(shell, source)
    finally:
        cpu, wall = time.process_time() - start_cpu, time.perf_counter() - start
        print("CPU times: total: %s\nWall time: %s" % (_duration(cpu), _duration(wall)))


def _run_in_namespace(shell, source):
    filename = "<cell magic>"
    code.remember(filename, source)
    value = None
    for part, is_value in code.compile_parts(source, filename):
        value = eval(part, shell.user_ns)
        if not is_value:
            value = None
    return value


def _line_timeit(shell, line):
    _time_often(shell, line, "")


def _cell_timeit(shell, line, cell):
    _time_often(shell, line, cell)


def _time_often(shell, line, cell):
    """%timeit [-n loops] [-r repeats] [-q] code; in a cell the line is what is run before."""
    import timeit

    loops, repeats, words = 0, 7, line.split(" ")
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option[:2] in ("-n", "-r"):
            number = int(option[2:] or words.pop(0))
            loops, repeats = (number, repeats) if option[1] == "n" else (loops, number)
    code_line = " ".join(words)
    timer = timeit.Timer(cell or code_line, code_line if cell else "pass", globals=shell.user_ns)
    if loops == 0:
        loops = timer.autorange()[0]
    times = [taken / loops for taken in timer.repeat(repeats, loops)]
    mean = sum(times) / len(times)
    deviation = (sum((taken - mean) ** 2 for taken in times) / len(times)) ** 0.5
    spread = "%s ± %s per loop" % (_duration(mean), _duration(deviation))
    print("%s (mean ± std. dev. of %d runs, %s loops each)" % (spread, repeats, format(loops, ",")))


def _duration(seconds):
    for unit, size in (("s", 1), ("ms", 1e-3), ("μs", 1e-6)):
        if seconds >= size:
            return "%.3g %s" % (seconds / size, unit)
    return "%.3g ns" % (seconds * 1e9)


def _cell_bash(shell, line, cell):
    _run_script(shell, ["bash", *shlex.split(line)], cell)


def _cell_sh(shell, line, cell):
    _run_script(shell, ["sh", *shlex.split(line)], cell)


def _cell_script(shell, line, cell):
    _run_script(shell, shlex.split(line), cell)


_cell_system = _cell_bash


def _run_script(shell, command, cell):
    """A script on the standard input of a program; it fails as the program does."""
    output.flush()
    done = subprocess.run(command, input=cell.encode("utf-8"))
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command[0])


def _cell_writefile(shell, line, cell):
    words = shlex.split(line)
    appends = "-a" in words or "--append" in words
    path = os.path.expanduser(next(word for word in words if not word.startswith("-")))
    verb = "Appending to" if appends else "Overwriting" if os.path.exists(path) else "Writing"
    print("%s %s" % (verb, path))
    with open(path, "a" if appends else "w", encoding="utf-8") as file:
        file.write(cell)


_cell_file = _cell_writefile


def _cell_capture(shell, line, cell):
    """Keeps what the code prints from the cell; with a name, in that variable."""
    import contextlib
    import io

    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr), show.keep() as outputs:
        _run_in_namespace(shell, cell)
    words = [word for word in line.split() if not word.startswith("-")]
    if words:
        shell.user_ns[words[0]] = Captured(stdout.getvalue(), stderr.getvalue(), outputs)


class Captured:
    """What a cell printed."""

    def __init__(self, stdout, stderr, outputs):
        self.stdout = stdout
        self.stderr = stderr
        # Data by MIME type, of each display.
        self.outputs = outputs

    def __str__(self):
        return self.stdout

    def show(self):
        sys.stdout.write(self.stdout)
        sys.stderr.write(self.stderr)
        for data in self.outputs:
            show.show(data)

    __call__ = show


def _cell_html(shell, line, cell):
    _publish("text/html", cell)


def _cell_markdown(shell, line, cell):
    _publish("text/markdown", cell)


def _cell_latex(shell, line, cell):
    _publish("text/latex", cell)


def _cell_svg(shell, line, cell):
    _publish("image/svg+xml", cell)


def _cell_javascript(shell, line, cell):
    _publish("application/javascript", cell)


_cell_js = _cell_javascript
_cell_HTML = _cell_html
_cell_SVG = _cell_svg


def _publish(mime, text):
    show.show({mime: text})
