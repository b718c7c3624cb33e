"""When each place in a document was last written, so that a change can be made conditional on some of them.

A tree that mirrors the document's paths. Writing a place forgets what was known below it, because that was written
with it. The tree is persistent: earlier ones stay as they were.
"""

from typing import NamedTuple

from immutables import Map

from ..ids import Version

MAX_BELOW = 4_096


class Place(NamedTuple):
    """A place: the version that last wrote it whole (`here`), and the last that wrote it or anything below it
    (`latest`)."""

    here: Version
    latest: Version
    below: Map[str, "Place"]


NEVER = Place(Version(0), Version(0), Map())


def written(place: Place, parts: list[str], version: Version) -> Place:
    """The tree after `version` wrote the place that is `parts` away from `place`."""
    if not parts:
        return Place(version, version, Map())
    token, *rest = parts
    below = place.below.set(token, written(place.below.get(token, NEVER), rest, version))
    if len(below) > MAX_BELOW:
        # Names that come and go would pile up without end. Saying that all of it changed just now is safe: who
        # remembers an older version is told to look again.
        return Place(version, version, Map())
    return Place(place.here, version, below)


def last_written(place: Place, parts: list[str]) -> Version:
    """The version that last wrote the place at `parts`, or anything above or below it; 0 if nothing did."""
    last = place.here
    for token in parts:
        inner = place.below.get(token)
        if inner is None:
            return last
        place = inner
        last = max(last, place.here)
    return max(last, place.latest)
