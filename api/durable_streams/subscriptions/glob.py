"""Patterns of streams' paths: `*` is one segment, or a part of one, and `**` any number of them."""

from fnmatch import fnmatchcase
from functools import lru_cache

from ....domain.ids import SessionId


@lru_cache(maxsize=2**16)
def matches(pattern: str, session: SessionId) -> bool:
    """Whether a pattern matches the path of a session's stream. It takes as many steps as both have segments,
    multiplied."""
    path = session.split(":")
    # Which beginnings of the path the pattern so far matches, by their number of segments.
    reached = {0}
    for part in pattern.split("/"):
        if part == "**":
            reached = set(range(min(reached), len(path) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(path) and fnmatchcase(path[at], part)}
        if not reached:
            return False
    return len(path) in reached


def prefix_of(pattern: str) -> str:
    """What the sessions of all paths that a pattern matches begin with."""
    beginning = pattern.partition("*")[0]
    # `a/**` matches `a`, too.
    return (beginning.removesuffix("/") if pattern[len(beginning) :].startswith("**") else beginning).replace("/", ":")
