"""What tells a projection from itself after it was changed: for caches of what it has folded."""

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType
from typing import Any

import orjson

from .projection import Projection


def fingerprint(projection: Projection[Any, Any], epoch: str) -> str:
    """The same for the same code, model, version and log. A change of a handler changes it, also without a new version;
    a change of what a handler calls does not."""
    return _digest(projection, epoch, len(projection.handlers), projection.seen is None)


@lru_cache(1_024)
def _digest(projection: Projection[Any, Any], epoch: str, handlers: int, for_everyone: bool) -> str:
    digest = hashlib.sha256(f"{projection.name} {projection.version} {epoch} {handlers} {for_everyone}".encode())
    digest.update(orjson.dumps(projection.handlers.passed))
    digest.update(orjson.dumps(projection.model.model_json_schema(), option=orjson.OPT_SORT_KEYS))
    for function in projection.handlers.functions:
        for part in _code(function):
            digest.update(part)
    return digest.hexdigest()[:32]


def _code(function: Callable[..., Any]) -> Iterator[bytes]:
    code = getattr(function, "__code__", None)
    if isinstance(code, CodeType):
        yield from _parts(code)


def _parts(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr(code.co_names).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        elif not isinstance(constant, frozenset):  # whose order is another in every process
            yield repr(constant).encode()
        else:
            yield repr(sorted(map(repr, constant))).encode()
