"""Pictures of PIL as PNG, also in modes and versions for which PIL itself has none."""

from binascii import b2a_base64
from io import BytesIO


def add_forms(image, data):
    if "image/png" not in data:
        data["image/png"] = b2a_base64(_png_of(image), newline=False).decode("ascii")
    # PIL makes both, of the same picture.
    data.pop("image/jpeg", None)


def _png_of(image):
    target = BytesIO()
    try:
        image.save(target, format="PNG")
    except OSError:
        # PNG knows no such mode.
        target = BytesIO()
        image.convert("RGB").save(target, format="PNG")
    return target.getvalue()
