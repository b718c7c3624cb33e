"""What is wrong with JSON, in words of our own: parsers and writers have each their own, for those who wrote them."""

from json import JSONDecodeError

_UNSUPPORTED = "Type is not JSON serializable: "


def unreadable(error: JSONDecodeError) -> str:
    """Where a text is no JSON."""
    if not error.doc:  # orjson has no text to point into
        return "there is nothing" if error.msg.startswith("Input is a zero-length") else "it is not UTF-8"
    return f"look at line {error.lineno}, column {error.colno}"


def unwritable(error: TypeError) -> str:
    """Why orjson cannot write a value."""
    said = str(error)
    if said.startswith(_UNSUPPORTED):
        return f"JSON has nothing for a value of the type {said.removeprefix(_UNSUPPORTED)}"
    return _UNWRITABLE.get(said, "it has texts, numbers, true, false, null, lists, and objects with texts for keys")


_UNWRITABLE = {
    "Dict key must be str": "a key of an object is a text",
    "Integer exceeds 64-bit range": "an integer has at most 64 bits",
    "Recursion limit reached": "it is nested too deep",
    "str is not valid UTF-8: surrogates not allowed": "half of a surrogate pair is no text",
}
