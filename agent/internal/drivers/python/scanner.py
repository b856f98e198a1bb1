"""Splits the text of a cell into logical lines: where strings, brackets and backslashes let a line go on, it goes on."""


def logical_lines(source):
    """Lists of physical lines. What opens a string in a line of a magic is none: such a line always stands alone."""
    groups = []
    state = _State()
    for line in source.split("\n"):
        if state.is_open():
            groups[-1].append(line)
            state.feed(line)
        else:
            groups.append([line])
            if is_special(line):
                state.is_continued = line.endswith("\\")
                state.is_special = True
            else:
                state.is_special = False
                state.feed(line)
    return groups


def is_special(line):
    """Whether Python can't read a logical line that begins so."""
    text = line.lstrip()
    return text.startswith(("%", "!", "?")) or is_help(text) or assigned(text) is not None


def is_help(text):
    """`name?` and `name??`."""
    name = text.rstrip().rstrip("?")
    return name != text.rstrip() and name != "" and all(part.isidentifier() for part in name.split("."))


def assigned(text):
    """`names = %magic …` or `names = !command`: what is before the sign, and from it on."""
    left, equals, right = text.partition("=")
    right = right.lstrip()
    if not equals or not right.startswith(("%", "!")) or right.startswith("!="):
        return None
    if not all(character.isidentifier() or character.isdigit() or character in " ,.*()[]" for character in left):
        return None
    return left.strip(), right


class _State:
    """What is open at the end of a physical line."""

    def __init__(self):
        self.quote = None
        self.depth = 0
        self.is_continued = False
        self.is_special = False

    def is_open(self):
        return self.is_continued or self.quote is not None or self.depth > 0

    def feed(self, line):
        if self.is_special:
            self.is_continued = line.endswith("\\")
            return
        self.is_continued = False
        position = 0
        while position < len(line):
            position = self._in_string(line, position) if self.quote else self._in_code(line, position)
        if self.quote is not None and len(self.quote) == 1 and not self.is_continued:
            # A string in single quotes ends with its line, if not properly.
            self.quote = None

    def _in_string(self, line, position):
        if line[position] == "\\":
            self.is_continued = position == len(line) - 1
            return position + 2
        if line.startswith(self.quote, position):
            end = position + len(self.quote)
            self.quote = None
            return end
        return position + 1

    def _in_code(self, line, position):
        character = line[position]
        if character == "#":
            return len(line)
        if character in "\"'":
            self.quote = character * 3 if line.startswith(character * 3, position) else character
            return position + len(self.quote)
        if character in "([{":
            self.depth += 1
        elif character in ")]}":
            self.depth = max(0, self.depth - 1)
        elif character == "\\" and position == len(line) - 1:
            self.is_continued = True
        return position + 1
