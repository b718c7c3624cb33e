"""Signals that say the same: which of them is the newest that is open, and whether the opposite was raised since.

Two devices of one user stop the same thing; the second hears that it has been done.
"""

from collections.abc import Container
from hashlib import sha256
from typing import NamedTuple

import orjson
from immutables import Map
from pydantic import JsonValue

from ...ids import ParticipantId, SignalId, Version

_OPPOSITES = {"pause": "resume", "resume": "pause"}
Wish = tuple[str, str, ParticipantId | None, bytes]
"""What a signal says: its kind, target, new holder and body. A body may be large, so its digest stands for it."""


def wish(kind: str, target: str, to: ParticipantId | None, body: JsonValue) -> Wish:
    """What a signal of these members says."""
    return kind, target, to, sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


class Raised(NamedTuple):
    """A signal, and through `before` those that said the same before it."""

    id: SignalId
    since: Version
    before: "Raised | None"


class Twins(NamedTuple):
    """`newest` of each wish, which is open; and `turns`, when each target was last paused, and resumed."""

    newest: Map[Wish, Raised] = Map()
    turns: Map[tuple[str, str], Version] = Map()

    def raised(self, said: Wish, id: SignalId, since: Version) -> "Twins":
        """After a signal was raised."""
        kind, target, _, _ = said
        newest = self.newest.set(said, Raised(id, since, self.newest.get(said)))
        return Twins(newest, self.turns.set((kind, target), since) if kind in _OPPOSITES else self.turns)

    def closed(self, said: Wish, open: Container[SignalId]) -> "Twins":
        """After one that said this was closed; those in `open` are not. Each is passed over once."""
        newest = kept = self.newest.get(said)
        while newest is not None and newest.id not in open:
            newest = newest.before
        if newest is kept:
            return self
        return self._replace(newest=self.newest.set(said, newest) if newest else self.newest.delete(said))

    def in_force(self, said: Wish, everything: str) -> SignalId | None:
        """The open signal that says this, unless it has been overtaken: a pause that was lifted, or what was resumed
        and has been paused again, by itself or with `everything`."""
        found, opposite = self.newest.get(said), _OPPOSITES.get(said[0], "")
        if found is None or any(
            self.turns.get((opposite, target), 0) > found.since for target in (said[1], everything)
        ):
            return None
        return found.id
