"""Rewrites what notebooks add to Python (%magic, %%magic, !command, name?) into calls of `get_ipython()`."""

from . import scanner


def rewrite(source):
    """The cell in Python, or None if nothing in it had to be rewritten."""
    text = source.lstrip()
    if text.startswith("%%"):
        first, _, body = text.partition("\n")
        name, _, line = first[2:].partition(" ")
        return "get_ipython().run_cell_magic(%r, %r, %r)" % (name, line.strip(), body if body.endswith("\n") else body + "\n")
    changed = False
    lines = []
    for group in scanner.logical_lines(source):
        if scanner.is_special(group[0]):
            changed = True
            # So many lines as before, so that tracebacks count right.
            lines.append(_rewrite_line(group))
            lines += [""] * (len(group) - 1)
        else:
            lines += group
    return "\n".join(lines) if changed else None


def _rewrite_line(group):
    text = "\n".join(group)
    body = text.lstrip()
    indent = text[: len(text) - len(body)]
    body = body.replace("\\\n", "").rstrip()
    target = scanner.assigned(body)
    if target is not None:
        left, right = target
        if right.startswith("!"):
            return "%s%s = get_ipython().getoutput(%s)" % (indent, left, _quoted(right[1:]))
        return "%s%s = %s" % (indent, left, _line_magic(right))
    if body.startswith("!!"):
        return "%sget_ipython().getoutput(%s)" % (indent, _quoted(body[2:]))
    if body.startswith("!"):
        return "%sget_ipython().system(%s)" % (indent, _quoted(body[1:]))
    if body.startswith("%"):
        return indent + _line_magic(body)
    return "%sget_ipython().run_line_magic('pinfo', %r)" % (indent, body.strip("? "))


def _line_magic(text):
    name, _, line = text.lstrip("%").partition(" ")
    return "get_ipython().run_line_magic(%r, %s)" % (name, _quoted(line.strip()))


def _quoted(text):
    return repr(text)
