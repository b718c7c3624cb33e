"""What is kept beside a log is read instead of folded, where it is what a fold would come to, and nowhere else."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from support.played_log import write_play
from support.random_play import played

from stenogram.api.views.storage import ViewStorage
from stenogram.cli.source import folding
from stenogram.cli.source.local import LocalSource
from stenogram.cli.source.port import json_value
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.log.log import Log
from stenogram.log.storage import Storage
from stenogram.projections import DocProjection, views
from stenogram.projections.authoring.projection import AnyProjection
from stenogram.testing import command
from stenogram.testing.stage import Stage

SHOWN = (views.sessions, views.metadata, views.agents, views.tasks, views.transcript, views.state, views.timeline)


@asynccontextmanager
async def kept(address: str, *projections: AnyProjection) -> AsyncIterator[Stage]:
    """A log, open to be written, whose views are kept beside it while the block runs."""
    async with Log(Storage(address).engine()) as log, ViewStorage("", address).store() as store:
        here = Stage(log, store)
        async with here.running(*projections):
            yield here


async def read(address: str, session: str, *projections: AnyProjection, folded: bool | None = None) -> list[Any]:
    """The views as a command reads them; `folded`: whether it may fold, or must."""
    told: list[str] = []
    fold_views = folding.fold_views

    async def fold(pages: Any, projections: Any, at: Any) -> list[Any]:
        told.extend(each.name for each in projections)
        return await fold_views(pages, projections, at)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folding, "fold_views", fold)
        async with LocalSource(address) as source:
            found = [json_value(each) for each in await source.views(session, projections)]
    if folded is not None:
        assert bool(told) is folded, told
    return found


async def fold_all(address: str, session: str, *projections: AnyProjection) -> list[Any]:
    async with LocalSource(address) as source:
        return list(map(json_value, await folding.fold_views(source.read(session, 0), projections, None)))


@pytest.mark.parametrize("seed", [3, 8])
async def test_what_is_kept_is_what_a_fold_comes_to(stored_log: str, seed: int) -> None:
    play = played(seed)
    async with kept(stored_log, *SHOWN) as here:
        await write_play(here.log, play)
        for each in SHOWN:
            await here.caught_up(each.name)
    for session in play.sessions:
        name = session.state.id
        assert await read(stored_log, name, *SHOWN, folded=False) == await fold_all(stored_log, name, *SHOWN)


async def test_what_is_behind_is_folded(stored_log: str) -> None:
    async with kept(stored_log, views.state, views.transcript) as here:
        await here.log.submit(command("session.open", "s"))
        await here.log.submit(command("session.open", "other"))
        await here.log.submit(command("state.merge", "s", patch={"a": 1}))
        await here.caught_up("state")
        await here.caught_up("transcript")
    async with Log(Storage(stored_log).engine()) as alone:
        await alone.submit(command("state.merge", "s", patch={"a": 2}))
    (state,) = await read(stored_log, "s", views.state, folded=True)
    assert state["value"] == {"a": 2}
    assert await read(stored_log, "other", views.state, folded=False) == [None]


async def test_what_nobody_keeps_is_folded(stored_log: str, tmp_path: Path) -> None:
    async with Log(Storage(stored_log).engine()) as alone:
        await alone.submit(command("session.open", "s"))
        await alone.submit(command("state.merge", "s", patch={"a": 2}))
    (state,) = await read(stored_log, "s", views.state, folded=True)
    assert state["value"] == {"a": 2}
    assert not [name for name in os.listdir(tmp_path) if "views" in name], "reading makes no files"


class Count(BaseModel):
    posts: int = 0


def counting(version: int, by: int, fails: str = "") -> DocProjection[Count]:
    projection = DocProjection("count", Count, version=version)

    @projection.on
    def _(doc: Count, event: MessagePosted) -> None:
        if event.message == fails:
            raise ValueError(event.message)
        doc.posts += by

    return projection


async def test_what_another_version_keeps_is_folded(stored_log: str) -> None:
    async with kept(stored_log, counting(1, 1)) as here:
        await here.log.submit(command("session.open", "s"))
        await here.log.submit(command("message.post", "s", message="m", text="Hello"))
        await here.caught_up("count")
    assert await read(stored_log, "s", counting(1, 1), folded=False) == [{"posts": 1}]
    assert await read(stored_log, "s", counting(2, 5), folded=True) == [{"posts": 5}]


async def test_what_is_parked_is_folded(stored_log: str) -> None:
    async with kept(stored_log, counting(1, 1)) as here:
        await here.log.submit(command("session.open", "s"))
        await here.log.submit(command("session.open", "t"))
        await here.caught_up("count")
    async with kept(stored_log, counting(1, 1, fails="m1")) as here:
        for number in range(3):
            await here.log.submit(command("message.post", "s", message=f"m{number}", text="Hello"))
        await here.log.submit(command("message.post", "t", message="m", text="Hello"))
        await here.until(lambda builds: builds[0].parked and builds[0].checkpoint.position >= here.log.position)
    assert await read(stored_log, "s", counting(1, 1), folded=True) == [{"posts": 3}]
    assert await read(stored_log, "t", counting(1, 1), folded=False) == [{"posts": 1}]


async def test_what_was_kept_of_another_log_is_folded(tmp_path: Path) -> None:
    log = str(tmp_path / "log.db")
    async with kept(log, views.state) as here:
        await here.log.submit(command("session.open", "s"))
        await here.log.submit(command("state.merge", "s", patch={"a": 1}))
        await here.caught_up("state")
    with closing(sqlite3.connect(log)) as file, file:
        file.execute("UPDATE log SET epoch = 'another'")
    assert [each["value"] for each in await read(log, "s", views.state, folded=True)] == [{"a": 1}]
