"""What is appended to a stream: JSON messages, text, or bytes; and the content types that say which."""

from typing import Annotated

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from ...json.explained import Explained
from ...wording.patterns import pattern

CONTENT_TYPE_PATTERN = pattern(
    r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+[ \t]*(;[ -~\t]*)?$", "a media type, such as text/plain"
)
ContentType = Annotated[str, StringConstraints(pattern=CONTENT_TYPE_PATTERN, max_length=255)]
"""As in HTTP (RFC 9110 §8.3.1)."""
_BASE64 = pattern(r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$", "bytes in base64")
Base64 = Annotated[str, StringConstraints(pattern=_BASE64)]
MAX_MESSAGES = 100_000


class Content(Explained):
    """What comes at once, in one of three forms."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1)] | None = None
    """Bytes that are text in UTF-8."""
    base64: Annotated[Base64, Field(min_length=1)] | None = None
    """Any bytes, in Base64 (RFC 4648 §4)."""
    messages: Annotated[tuple[JsonValue, ...], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    """JSON messages, for a stream of `application/json`."""


def media_type(content_type: str) -> str:
    """A content type without its parameters, as it is compared."""
    return content_type.partition(";")[0].strip().lower()


def is_json(content_type: str) -> bool:
    """Whether a stream of this type is one of JSON messages."""
    return media_type(content_type) == "application/json"
