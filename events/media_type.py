"""Media types (RFC 9110, 8.3.1), as far as `Content-Type` and `datacontenttype` need them."""

import re
from dataclasses import dataclass

from events.errors import EventError

# RFC 9110's token.
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_WORD})=({_WORD}|"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t\x20-\x7e])*"))?')
_ESSENCE = re.compile(rf"({_WORD})/({_WORD})")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case, and the charset that it names ("" for none)."""

    type: str
    subtype: str
    charset: str

    @property
    def essence(self) -> str:
        return f"{self.type}/{self.subtype}"

    @property
    def json(self) -> bool:
        """Whether content is JSON (CloudEvents JSON format, 3.1)."""
        return self.subtype == "json" or self.subtype.endswith("+json")

    @property
    def text(self) -> bool:
        """Whether content is text that reads well inside a JSON document."""
        return self.type == "text" or self.subtype == "xml" or self.subtype.endswith("+xml")

    @property
    def utf8(self) -> bool:
        return self.charset in ("", "utf-8", "utf8", "us-ascii")


def parse_media_type(text: str, name: str) -> MediaType:
    """Read one media type. Raises EventError, calling it `name`."""
    match = _ESSENCE.match(text)
    if not match or text != text.rstrip():
        raise EventError(f"{name} is not a media type: type/subtype; parameter=value")
    charset, position = None, match.end()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if not parameter:
            raise EventError(f"{name} is not a media type: type/subtype; parameter=value")
        if (parameter[1] or "").lower() == "charset":
            if charset is not None:
                raise EventError(f"{name} names two charsets")
            charset = re.sub(r"\\(.)", r"\1", parameter[2].strip('"')).lower()
        position = parameter.end()
    return MediaType(match[1].lower(), match[2].lower(), charset or "")
