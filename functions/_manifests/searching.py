"""The `find` of an ExternalSecret's `dataFrom`."""

from pydantic import Field

from functions._manifests.shape import Conversion, Decoding, Shape


class FindName(Shape):
    """An RE2 expression, searched for in the whole path."""

    regexp: str = ""


class Find(Shape):
    """All paths below `path` ("" for the whole mount) whose name matches, and whose custom metadata has the tags."""

    path: str = ""
    name: FindName | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    conversion_strategy: Conversion = "Default"
    decoding_strategy: Decoding = "None"
