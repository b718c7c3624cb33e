"""JSON Patch (RFC 6902) over documents that are never changed in place.

The patching itself is the `jsonpatch` library's. This module adds what a shared document needs: values are copied
only where a patch touches them, the paths that changed are named, and a patch that would blow the document up is
stopped while it is being applied.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jsonpatch
import jsonpointer
import orjson

from .errors import PatchFailed

MAX_DOCUMENT_BYTES = 1_000_000
MAX_DOCUMENT_DEPTH = 64

_FAILURES = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, IndexError, ValueError)

Operation = dict[str, Any]


class Patched(NamedTuple):
    """A patched document, and the JSON Pointers of the places that changed in it."""

    value: Any
    paths: list[str]


def apply_patch(document: Any, patch: Sequence[Operation]) -> Patched:
    """Apply `patch` to a copy. Raises PatchFailed, naming the operation, when one does not apply.

    An insertion into or removal from an array changes the whole array, since it moves what stands behind it.
    """
    operations = orjson.loads(orjson.dumps(list(patch)))
    working = _unshare(document, operations)
    paths: list[str] = []
    for number, operation in enumerate(operations):
        try:
            paths += _changes(working, operation)
            working = jsonpatch.JsonPatch([operation]).apply(working, in_place=True)
        except _FAILURES as failure:
            raise PatchFailed(
                f"Operation {number} ({operation.get('op')!r} at {operation.get('path')!r}) does not apply: {failure}",
                operation=number,
            ) from None
        if operation["op"] == "copy":
            _refuse_oversize(working)
    return Patched(working, list(dict.fromkeys(paths)))


def refuse_unfit(document: Any) -> None:
    """Raise PatchFailed when a document is larger or deeper than a session keeps."""
    _refuse_oversize(document)
    if _deeper_than(document, MAX_DOCUMENT_DEPTH):
        raise PatchFailed(f"The state would be nested more than {MAX_DOCUMENT_DEPTH} deep.")


def tokens(path: str) -> list[str]:
    """The reference tokens of a JSON Pointer (RFC 6901), unescaped. Raises PatchFailed on a malformed one."""
    try:
        return list(jsonpointer.JsonPointer(path).parts)
    except jsonpointer.JsonPointerException as failure:
        raise PatchFailed(f"{path!r} is not a JSON Pointer: {failure}") from None


def pointer(parts: Sequence[str]) -> str:
    """The JSON Pointer of these tokens."""
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts)


def resolve(document: Any, path: str, default: Any = None) -> Any:
    """The value at `path`, or `default` where there is none."""
    here = document
    for part in tokens(path):
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isascii() and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        else:
            return default
    return here


def _unshare(document: Any, operations: list[Operation]) -> Any:
    """Copy what the operations may change: the values at the top-level names they mention."""
    if not isinstance(document, dict):
        return orjson.loads(orjson.dumps(document))
    names: set[str] = set()
    for operation in operations:
        for path in (operation.get("path"), operation.get("from")):
            if not isinstance(path, str) or path == "":
                return orjson.loads(orjson.dumps(document))
            names.add(path.split("/")[1].replace("~1", "/").replace("~0", "~") if "/" in path else path)
    return {
        name: orjson.loads(orjson.dumps(value)) if name in names else value for name, value in document.items()
    }


def _changes(document: Any, operation: Operation) -> list[str]:
    kind, path = operation.get("op"), operation.get("path")
    if kind == "test" or not isinstance(path, str):
        return []
    if kind == "replace":
        return [path]
    places = [path] if kind != "move" else [path, operation.get("from", "")]
    return [_container_if_array(document, place) for place in places if isinstance(place, str)]


def _container_if_array(document: Any, path: str) -> str:
    above = pointer(tokens(path)[:-1])
    return above if path and isinstance(resolve(document, above), list) else path


def _refuse_oversize(document: Any) -> None:
    if len(orjson.dumps(document)) > MAX_DOCUMENT_BYTES:
        raise PatchFailed(f"The state would be larger than {MAX_DOCUMENT_BYTES} bytes.")


def _deeper_than(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    if levels == 0:
        return True
    inner = value.values() if isinstance(value, dict) else value
    return any(_deeper_than(each, levels - 1) for each in inner)
