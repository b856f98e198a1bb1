"""Pictures of PIL, for versions that have no `_repr_png_` of their own."""

from binascii import b2a_base64
from io import BytesIO


def add_forms(image, data):
    if "image/png" in data or "image/jpeg" in data:
        return
    target = BytesIO()
    image.save(target, format="PNG")
    data["image/png"] = b2a_base64(target.getvalue(), newline=False).decode("ascii")
