"""Folding stored events into the state of a session, without keeping the loop to oneself."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

from ...domain.envelope import decode
from ...domain.errors import LogUnreadable
from ...domain.session import evolve
from ...domain.state import State
from ..lineage import Lineage
from ..paging import ENDLESS, session_pages
from ..records import Record
from .rest import Stopwatch, rest_after

FOLDED_AT_ONCE = 50
"""Events that are folded between two turns of the loop: about 1 ms, so that nobody needs a rest in between."""


def fold_records(state: State, records: Iterable[Record]) -> State:
    """Fold stored events."""
    for record in records:
        state = evolve(state, decode(record.data, record.position, record.session, record.version))
    return state


def fold_on(state: State, records: Collection[Record]) -> State:
    """Fold a few more events. Raises LogUnreadable when one cannot be folded."""
    try:
        return fold_records(state, records)
    except Exception as fault:
        raise LogUnreadable(
            f"Session {state.id!r} cannot be folded, because something else than Stenogram's rules wrote an event "
            f"after version {state.version} ({fault!r}). Its events can still be read."
        ) from fault


async def read_on(
    lineage: Lineage,
    state: State,
    upto: int = ENDLESS,
    on_state: Callable[[State], None] = lambda _: None,
    on_page: Callable[[State, Sequence[Record]], None] = lambda _, __: None,
    gently: bool = False,
) -> State:
    """Read and fold a session from where a state is, up to a version or to its end. `on_page` is given each page before
    it is folded, and the state that it is folded onto; `on_state` the states on the way, every `FOLDED_AT_ONCE` events.
    `gently` it takes at most half of the time. Raises LogUnreadable."""
    async for page in session_pages(lineage, state.id, state.version, upto):
        on_page(state, page)
        for first in range(0, len(page), FOLDED_AT_ONCE):
            watch = Stopwatch()
            state = fold_on(state, page[first : first + FOLDED_AT_ONCE])
            on_state(state)
            took = watch.lap()  # a long session would hold the loop for seconds
            await asyncio.sleep(max(took, rest_after(took)) if gently else 0)
    return state
