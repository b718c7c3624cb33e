"""When each place in a document was last written, so that a change can be made conditional on some of them.

A tree that mirrors the document's paths. Writing a place forgets what was known below it, because that was written
with it. The tree is persistent: earlier ones stay as they were.
"""

from typing import Any, NamedTuple

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


def merged_into(place: Place, target: Any, patch: Any, version: Version) -> Place:
    """The tree after `version` merged `patch` into `target`, which stands at `place`: an object that meets one is not
    written, only its members are; anything else is."""
    if not isinstance(patch, dict) or not isinstance(target, dict) or not patch:
        return Place(version, version, Map())
    if len(patch) > MAX_BELOW:
        return Place(version, version, Map())
    with place.below.mutate() as growing:
        for name, value in patch.items():
            growing[name] = merged_into(growing.get(name, NEVER), target.get(name), value, version)
        below = growing.finish()
    return Place(version, version, Map()) if len(below) > MAX_BELOW else Place(place.here, version, below)


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
