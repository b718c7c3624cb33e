"""JSON Pointer (RFC 6901): how a place inside a document is named."""

import re
from collections.abc import Iterable
from typing import Any

from ..errors import PatchFailed

_STRAY_TILDE = re.compile("~(?![01])")
_INDEX = re.compile("0|[1-9][0-9]{0,15}")


def tokens(path: str) -> list[str]:
    """The reference tokens of a pointer, unescaped. Raises PatchFailed on a malformed one."""
    if path == "":
        return []
    if path[0] != "/" or _STRAY_TILDE.search(path):
        raise PatchFailed(f"{path!r} is not a JSON Pointer: it begins with '/', and a '~' in it stands before 0 or 1.")
    return [token.replace("~1", "/").replace("~0", "~") for token in path[1:].split("/")]


def pointer(parts: Iterable[str]) -> str:
    """The pointer of these tokens."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def index(token: str) -> int | None:
    """The array index that `token` is, or None: digits without a leading zero, and nothing else."""
    return int(token) if _INDEX.fullmatch(token) else None


def resolve(document: Any, path: str, default: Any = None) -> Any:
    """The value at `path`, or `default` where there is none."""
    here = document
    for token in tokens(path):
        if isinstance(here, dict) and token in here:
            here = here[token]
        elif isinstance(here, list) and (place := index(token)) is not None and place < len(here):
            here = here[place]
        else:
            return default
    return here
