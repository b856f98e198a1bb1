"""JSON by the interpreter's own C functions: the module `json` costs 5 ms at the start, and breaks when the code deletes a builtin."""

from _json import encode_basestring_ascii, make_encoder, make_scanner


class _Context:
    """How make_scanner wants to be told what to make of JSON."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


# Arguments: markers, default, encoder, indent, two separators, sort_keys, skipkeys, allow_nan. NaN would be no JSON.
_chunks_of = make_encoder(None, None, encode_basestring_ascii, None, ":", ",", False, False, False)
_scan = make_scanner(_Context)


def encode(value):
    """The value as JSON in ASCII. Raises ValueError or TypeError for what JSON has no form for."""
    return "".join(_chunks_of(value, 0))


def decode(line):
    """The value of one line. Raises ValueError, or StopIteration for a line without JSON."""
    return _scan(line, 0)[0]
