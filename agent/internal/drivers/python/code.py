"""From the text of a cell to code objects."""

import sys
from _ast import PyCF_ALLOW_TOP_LEVEL_AWAIT, PyCF_ONLY_AST, Expr, Expression, Interactive

# What earlier cells imported from __future__ holds for later ones, as at Python's own prompt.
_flags = PyCF_ALLOW_TOP_LEVEL_AWAIT

# Characters of which one is in everything that notebooks add to Python.
_SPECIAL = ("%", "!", "?")


# What was run, by file name, until linecache is there to take it.
_remembered = {}


def remember(filename, source):
    """Lets tracebacks and `inspect` show the lines of a cell."""
    _remembered[filename] = source
    if "linecache" in sys.modules:
        fill_linecache(sys.modules["linecache"])


def fill_linecache(linecache):
    """Also called right after linecache was imported. Without a time an entry is never checked against a file."""
    while _remembered:
        filename, source = _remembered.popitem()
        linecache.cache[filename] = (len(source), None, [line + "\n" for line in source.split("\n")], filename)


def compile_cell(source, filename):
    """The code objects of a cell, to be run one after the other: an expression at its end shows its value."""
    try:
        codes, last = _compile_statements(source, filename)
        if last is not None:
            codes.append(compile(Interactive([last]), filename, "single", _flags, True))
        return codes
    except SyntaxError as error:
        _add_line(error, source)
        raise


def compile_parts(source, filename):
    """The same for a caller that wants the value itself: pairs of a code object, and whether it is that of an expression."""
    codes, last = _compile_statements(source, filename)
    parts = [(code, False) for code in codes]
    if last is not None:
        parts.append((compile(Expression(last.value), filename, "eval", _flags, True), True))
    return parts


def _add_line(error, source):
    """What is only found after the parser, such as `return` outside a function, comes without its line."""
    lines = source.split("\n")
    if error.text is None and error.lineno is not None and 0 < error.lineno <= len(lines):
        error.text = lines[error.lineno - 1] + "\n"


def _compile_statements(source, filename):
    """Code of all statements but a last expression, and that."""
    global _flags
    source, tree = _parse(source, filename)
    body = tree.body
    last = None
    if body and isinstance(body[-1], Expr) and not _ends_in_semicolon(source, body[-1]):
        last = body.pop()
    if not body:
        return [], last
    code = compile(tree, filename, "exec", _flags, True)
    if "__future__" in source:
        _flags |= _futures_of(code)
    return [code], last


def _parse(source, filename):
    """The syntax tree, and the text it was made of. What only notebooks know is rewritten, but only if Python can't read it."""
    try:
        return source, compile(source, filename, "exec", _flags | PyCF_ONLY_AST, True)
    except SyntaxError as error:
        # Kept for later, so that it is no context of what else may happen.
        failure = error
    rewritten = None
    if any(sign in source for sign in _SPECIAL):
        from . import notation

        rewritten = notation.rewrite(source)
    if rewritten is None:
        raise failure
    return rewritten, compile(rewritten, filename, "exec", _flags | PyCF_ONLY_AST, True)


def _ends_in_semicolon(source, statement):
    if ";" not in source:
        return False
    lines = source.encode("utf-8").splitlines()
    rest = lines[statement.end_lineno - 1][statement.end_col_offset:]
    return rest.lstrip().startswith(b";")


def _futures_of(code):
    import __future__ as futures

    known = 0
    for name in futures.all_feature_names:
        known |= getattr(futures, name).compiler_flag
    return code.co_flags & known & ~PyCF_ALLOW_TOP_LEVEL_AWAIT
