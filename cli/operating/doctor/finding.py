"""What a check has found."""

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """`said` is what is so, `mend` what to do about it. With `fail` a gateway does not start, or loses what it should
    keep."""

    level: Level
    what: str
    said: str
    mend: str = ""


def ok(what: str, said: str) -> Finding:
    """All is well."""
    return Finding("ok", what, said)


def warn(what: str, said: str, mend: str) -> Finding:
    """It works, and may not for long, or not for everyone."""
    return Finding("warn", what, said, mend)


def fail(what: str, said: str, mend: str) -> Finding:
    """It does not work."""
    return Finding("fail", what, said, mend)
