"""Values that say how they are to be shown: HTML("…"), Image("…") and so on."""

import binascii
import mimetypes
import os

# The name in `display_<name>` functions, and what it stands for.
SHORT = {
    "html": "text/html",
    "markdown": "text/markdown",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "latex": "text/latex",
    "json": "application/json",
    "javascript": "application/javascript",
    "pdf": "application/pdf",
    "pretty": "text/plain",
}

PUBLIC = (
    "DisplayObject TextDisplayObject HTML Markdown SVG Latex Math Pretty JSON GeoJSON Javascript Code Image Audio Video IFrame"
    " FileLink ProgressBar"
).split()


class DisplayObject:
    """Data from the argument, from a file, or from a URL."""

    mime = "text/plain"
    is_binary = False

    def __init__(self, data=None, url=None, filename=None, metadata=None):
        if data is not None and filename is None and url is None and isinstance(data, (str, os.PathLike)):
            data, url, filename = self._guess(data)
        self.data = data
        self.url = url
        self.filename = filename
        self.metadata = metadata
        if self.data is None:
            self.reload()

    def _guess(self, data):
        """Which of the three a single argument is."""
        if isinstance(data, os.PathLike):
            return None, None, os.fspath(data)
        if data.startswith(("http://", "https://")) and "\n" not in data:
            return None, data, None
        return data, None, None

    def reload(self):
        if self.filename is not None:
            with open(self.filename, "rb") as file:
                self.data = self._decoded(file.read())
        elif self.url is not None:
            from urllib.request import urlopen

            with urlopen(self.url) as answer:
                self.data = self._decoded(answer.read())

    def _decoded(self, data):
        return data if self.is_binary else data.decode("utf-8", "replace")

    def form(self):
        return self.data

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {self.mime: self.form(), "text/plain": repr(self)}

    def __repr__(self):
        return "<IPython.core.display.%s object>" % type(self).__name__


class TextDisplayObject(DisplayObject):
    pass


class HTML(TextDisplayObject):
    mime = "text/html"

    def _repr_html_(self):
        return self.data

    def __html__(self):
        return self.data


class Markdown(TextDisplayObject):
    mime = "text/markdown"


class SVG(DisplayObject):
    mime = "image/svg+xml"


class Latex(TextDisplayObject):
    mime = "text/latex"


class Math(Latex):
    def form(self):
        return r"$\displaystyle %s$" % self.data.strip("$")


class Pretty(TextDisplayObject):
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.data}


class Javascript(TextDisplayObject):
    mime = "application/javascript"


class JSON(DisplayObject):
    """Text of JSON, or what JSON can hold."""

    mime = "application/json"

    def form(self):
        if isinstance(self.data, (str, bytes)):
            import json

            return json.loads(self.data)
        return self.data


class GeoJSON(JSON):
    mime = "application/geo+json"


class Code(TextDisplayObject):
    def __init__(self, data=None, url=None, filename=None, language=None):
        self.language = language
        super().__init__(data, url, filename)

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/plain": self.data}


class Image(DisplayObject):
    """A picture: bytes, a file, a URL."""

    is_binary = True
    _TYPES = ((b"\x89PNG", "image/png"), (b"\xff\xd8", "image/jpeg"), (b"GIF8", "image/gif"), (b"<svg", "image/svg+xml"))

    def __init__(self, data=None, url=None, filename=None, format=None, embed=None, width=None, height=None, **_):
        self.format = format
        self.width = width
        self.height = height
        if url is not None and not embed and data is None and filename is None:
            # A picture elsewhere is linked.
            data = b""
        self._is_linked = url is not None and data == b""
        super().__init__(data, url, filename)

    def _guess(self, data):
        if isinstance(data, str) and not data.startswith(("http://", "https://")):
            return None, None, data
        return super()._guess(data)

    def _repr_mimebundle_(self, include=None, exclude=None):
        if self._is_linked:
            size = "".join(' %s="%s"' % (name, getattr(self, name)) for name in ("width", "height") if getattr(self, name))
            return {"text/html": '<img src="%s"%s/>' % (self.url, size), "text/plain": repr(self)}
        data = bytes(self.data)
        mime = next((mime for head, mime in self._TYPES if data.startswith(head)), None)
        if mime is None:
            mime = "image/" + (self.format or "png").lower().replace("jpg", "jpeg")
        return {mime: data, "text/plain": repr(self)}


class _Embedded(DisplayObject):
    """A file of sound or film, as HTML that holds it."""

    is_binary = True
    tag = ""
    kind = ""

    def __init__(self, data=None, url=None, filename=None, mimetype=None, **_):
        self.mimetype = mimetype or mimetypes.guess_type(str(filename or url or data or ""))[0] or self.kind
        super().__init__(data if isinstance(data, (bytes, str, os.PathLike)) else None, url, filename)

    def _guess(self, data):
        if isinstance(data, str) and not data.startswith(("http://", "https://")):
            return None, None, data
        return super()._guess(data)

    def reload(self):
        if self.url is None:
            super().reload()

    def _repr_mimebundle_(self, include=None, exclude=None):
        source = self.url
        if self.data is not None:
            text = binascii.b2a_base64(self.data, newline=False).decode("ascii")
            source = "data:%s;base64,%s" % (self.mimetype, text)
        html = '<%s controls><source src="%s" type="%s"/></%s>' % (self.tag, source, self.mimetype, self.tag)
        return {"text/html": html, "text/plain": repr(self)}


class Audio(_Embedded):
    tag = "audio"
    kind = "audio/wav"


class Video(_Embedded):
    tag = "video"
    kind = "video/mp4"


class IFrame:
    """A page in the page."""

    def __init__(self, src, width, height, **_):
        self.src = src
        self.width = width
        self.height = height

    def _repr_html_(self):
        return '<iframe width="%s" height="%s" src="%s" frameborder="0" allowfullscreen></iframe>' % (
            self.width,
            self.height,
            self.src,
        )


class FileLink:
    """A link to a file."""

    def __init__(self, path, **_):
        self.path = path

    def _repr_html_(self):
        return '<a href="%s" target="_blank">%s</a>' % (self.path, self.path)

    def __repr__(self):
        return os.path.abspath(self.path)


class ProgressBar:
    """How much of something is done."""

    def __init__(self, total):
        self.total = total
        self.progress = 0

    def _repr_html_(self):
        return '<progress max="%s" value="%s"></progress>' % (self.total, self.progress)

    def __repr__(self):
        return "%s/%s" % (self.progress, self.total)

    def __iter__(self):
        self.progress = -1
        return self

    def __next__(self):
        self.progress += 1
        if self.progress >= self.total:
            raise StopIteration
        return self.progress
