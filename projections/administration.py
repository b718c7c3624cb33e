"""Rebuilding views and promoting what was rebuilt, in any process that has the log and the store open.

What is begun here is folded by the runner that keeps the views, wherever that is.
"""

import asyncio

from ..domain.errors import Conflict, NotFound
from ..log.log import Log
from .store import Build, ViewStore

_PROMOTION_TRIES, _PROMOTION_PAUSE_S = 40, 0.05


async def rebuild(log: Log, store: ViewStore, view: str) -> Build:
    """Begin a build beside the current one, or return the one that was begun and is not finished. Raises NotFound."""
    current = await store.current(view)
    if current is None:
        raise NotFound(f"There is no view {view!r} to rebuild.")
    return await store.begin(view, current.version, current.shape, log.epoch)


async def promote(log: Log, store: ViewStore, view: str, id: int | None = None, *, anyway: bool = False) -> Build:
    """Let readers see the newest build that is being made, or the one named; `anyway`: even if it is behind. Raises
    NotFound, and Conflict for one that has not caught up."""
    builds = [each for each in await store.builds() if each.name == view and each.state != "current"]
    chosen = [each for each in builds if (each.state == "building" if id is None else each.id == id)]
    if not chosen:
        raise NotFound(f"{view} has no such build; rebuild it first (`stenogram projections rebuild {view}`).")
    newest = max(chosen, key=lambda each: each.id)
    if newest.state == "retired" or anyway:
        await store.promote(newest.id)
    elif not await _promoted_in_step(log, store, newest):
        raise Conflict(f"Build {newest.id} of {view} has not caught up; wait until it has.")
    return newest


async def _promoted_in_step(log: Log, store: ViewStore, build: Build) -> bool:
    """Promote a build that is as far as the log was when this began, in a moment in which it is as far as what readers
    see; whether there was one soon. (While agents write, two builds are seldom at the same place.)"""
    head = (await log.engine.head()).position
    for _ in range(_PROMOTION_TRIES):
        now = next((each for each in await store.builds() if each.id == build.id), build)
        if now.checkpoint.position >= head and await store.promote(build.id, even_if_behind=False):
            return True
        await asyncio.sleep(_PROMOTION_PAUSE_S)
    return False
