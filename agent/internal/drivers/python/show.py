"""Sends one display: data by MIME type, kept below the run's limit."""

from . import channel, forks, interrupts, runs
from .text import encode

# Stands for a form that is larger than any limit, so that it need not be made.
TOO_LARGE = object()

# Displays of background threads wait here for the next run; of more than this the oldest are dropped.
_WAITING_MOST = 64
_waiting = []

# Where displays go instead, while `keep` holds.
_kept = None


def show(data, main=False, display_id=None, update=False, truncated=()):
    """Shows `data` (MIME type to value) now, or in the next run if there is none."""
    if forks.is_child:
        _print(data)
        return
    if _kept is not None:
        _kept.append(data)
        return
    run = runs.current
    if run is None:
        _waiting.append((data, main, display_id, update, truncated))
        del _waiting[:-_WAITING_MOST]
        return
    data, truncated = _without_too_large(data, truncated)
    event = {
        "type": "display",
        "id": run.id,
        "data": data,
        "main": main,
        "display_id": display_id,
        "update": update,
        "truncated": truncated,
        "ack": not main,
    }
    channel.exchange(_encode(event, run.limit), not main)
    interrupts.deliver()


class keep:
    """Collects the displays of a block instead of showing them."""

    def __enter__(self):
        global _kept
        self._outer = _kept
        _kept = []
        return _kept

    def __exit__(self, *_):
        global _kept
        _kept = self._outer


def show_waiting():
    """At the beginning of a run: what background threads displayed since the last."""
    while _waiting:
        data, _, display_id, update, truncated = _waiting.pop(0)
        show(data, False, display_id, update, truncated)


def _without_too_large(data, truncated):
    missing = [mime for mime, form in data.items() if form is TOO_LARGE]
    if missing:
        data = {mime: form for mime, form in data.items() if form is not TOO_LARGE}
    return data, [*truncated, *missing]


def _encode(event, limit):
    try:
        line = encode(event)
        # The event has some members of its own, all of them short.
        if len(line) <= limit:
            return line
    except (TypeError, ValueError, RecursionError):
        pass
    from . import limits

    event["data"], left_out = limits.fit(limits.clean(event["data"]), limit)
    event["truncated"] += [mime for mime in left_out if mime not in event["truncated"]]
    return encode(event)


def _print(data):
    """A forked child has no way to display: the text must do."""
    text = data.get("text/plain")
    if isinstance(text, str):
        print(text)
