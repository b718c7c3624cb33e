"""Snapshots of a session's state: the fold goes on from one, so that a long session need not be read from its start.

A snapshot is derived and may be lost. It says by which code it was folded (`code`): any other code, of the rules, of
Python or of the maps, reads none of it and folds the session from the start. The bytes are a row of pickles of at most
`ITEMS_A_PIECE` members of a map each, so that neither making nor reading one holds the loop for long. What is read may
come from a database that others can write, too: so nothing is made of it but what a state consists of.
"""

import hashlib
import io
import pickle
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import cache
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from immutables import Map

from ...domain import session as rules
from ...domain.state import State

ITEMS_A_PIECE = 500
_PLAIN = (frozenset, set, datetime, timedelta, timezone, Map)
_ALLOWED = {(each.__module__, each.__qualname__): each for each in _PLAIN}
_DOMAIN = State.__module__.rpartition(".")[0]


class _Place(NamedTuple):
    """Where in a state a map belongs that was left out of the first piece, and how many pieces it is."""

    concept: int
    member: int
    pieces: int


@cache
def code_of_fold() -> str:
    """What tells the code that folds from any other: everything that a state may depend on. Empty where the rules'
    source cannot be read; then there are no snapshots."""
    folder = Path(rules.__file__).parent
    sources = sorted(folder.rglob("*.py"))
    if not sources:
        return ""
    digest = hashlib.sha256(f"{sys.version} {version('immutables')} {ITEMS_A_PIECE}".encode())
    for source in sources:
        digest.update(b"%b\0%b\0" % (str(source.relative_to(folder)).encode(), source.read_bytes()))
    return digest.hexdigest()[:32]


def encode(state: State) -> Iterator[bytes]:
    """The pieces of a state's bytes; each is quickly made."""
    concepts: list[Any] = list(state)
    left_out: list[tuple[_Place, Map[Any, Any]]] = []
    for place, concept in enumerate(concepts):
        if _is_large(concept):
            left_out.append((_placed(place, -1, concept), concept))
            concepts[place] = None
        elif isinstance(concept, tuple):
            large = [(number, each) for number, each in enumerate(concept) if _is_large(each)]
            left_out += [(_placed(place, number, each), each) for number, each in large]
            members = [None if _is_large(each) else each for each in concept]
            concepts[place] = type(concept)._make(members) if large else concept  # type: ignore[attr-defined]
    yield _dumps((concepts, [tuple(place) for place, _ in left_out]))
    for _, each in left_out:
        items = iter(each.items())
        while piece := list(islice(items, ITEMS_A_PIECE)):
            yield _dumps(piece)


def decode(data: bytes) -> Iterator[State | None]:
    """Read a state's bytes, piece by piece; the state comes last. Raises whatever is wrong with them."""
    source = io.BytesIO(data)
    concepts, left_out = _Unpickler(source).load()
    for concept, member, pieces in left_out:
        with Map[Any, Any]().mutate() as growing:
            for _ in range(pieces):
                growing.update(_Unpickler(source).load())
                yield None
            found = growing.finish()
        if member < 0:
            concepts[concept] = found
        else:
            members = list(concepts[concept])
            members[member] = found
            concepts[concept] = type(concepts[concept])._make(members)
    yield State._make(concepts)


def _is_large(value: object) -> bool:
    return isinstance(value, Map) and len(value) > ITEMS_A_PIECE


def _placed(concept: int, member: int, value: Map[Any, Any]) -> _Place:
    return _Place(concept, member, -(-len(value) // ITEMS_A_PIECE))


def _dumps(value: object) -> bytes:
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


class _Unpickler(pickle.Unpickler):
    """Makes nothing but what states consist of: the domain's own classes, maps, times and plain values."""

    def find_class(self, module: str, name: str) -> Any:
        """Called once for each class."""
        found = _ALLOWED.get((module, name))
        if found is None and module.startswith(f"{_DOMAIN}."):
            found = getattr(sys.modules.get(module), name, None)
            if not isinstance(found, type) or found.__module__ != module:  # such as what a module imports
                found = None
        if found is None:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return found
