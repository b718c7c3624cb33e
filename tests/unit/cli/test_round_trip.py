"""Out, in, and out again: the same bytes, and forks are forks."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.random_play import Play, played

from stenogram.domain.ids import Version
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.sqlite.engine import SqliteEngine
from stenogram.testing.rehearsal import Rehearsal

Run = Callable[..., Any]
SEEDS = range(16)


class Part(NamedTuple):
    """The events that were written in a session, and where they begin."""

    session: str
    start: int
    drafts: list[Draft]
    origin: str | None
    at: int


def part_of(session: Rehearsal) -> Part:
    """A session's own events, each with an id that no other session has."""
    forks = [(at, event.data) for at, event in enumerate(session.events) if event.type == "session.forked"]
    start, origin = (forks[-1][0], forks[-1][1].origin) if forks else (0, None)  # type: ignore[attr-defined]
    name, drafts = session.state.id, []
    for event, stored in list(zip(session.events, session.stored, strict=True))[start:]:
        own = re.sub(rb'"(id|cause)":"e-', rb'"\1":"%b.e-' % name.encode(), stored, count=2)
        drafts.append(Draft(event.type, event.data.subject(), own, event.version, None, event.data.also()))
    return Part(name, start, drafts, origin, start)


async def write(play: Play, path: Path) -> dict[str, tuple[str, ...]]:
    """Have the sessions in a log, in turns; returns in which sessions the events of each were written."""
    chance, parts = random.Random(1), [part_of(session) for session in play.sessions]
    done: dict[str, int] = {}
    async with Log(SqliteEngine(path)) as log:
        while ready := [each for each in parts if _has_turn(each, done)]:
            part = chance.choice(ready)
            at = done.setdefault(part.session, part.start)
            drafts = part.drafts[at - part.start :][: chance.randint(1, 30)]
            await log.append(Append(part.session, tuple(drafts), first_version=Version(at + 1)))
            done[part.session] = at + len(drafts)
        assert len(done) == len(parts)
        return {part.session: await log.written_in(part.session) for part in parts}


def _has_turn(part: Part, done: dict[str, int]) -> bool:
    at = done.get(part.session, part.start)
    begun = part.origin is None or done.get(part.origin, 0) >= part.at
    return begun and at < part.start + len(part.drafts)


async def written_in(path: Path, sessions: list[str]) -> dict[str, tuple[str, ...]]:
    async with Log(SqliteEngine(path, read_only=True)) as log:
        return {each: await log.written_in(each) for each in sessions}


def without_positions(lines: str) -> str:
    return re.sub(r'^\{"position":\d+,', "{", lines, flags=re.MULTILINE)


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_goes_out_and_in_as_it_is(seed: int, run: Run, tmp_path: Path) -> None:
    play = played(seed)
    lineages = asyncio.run(write(play, tmp_path / "a.db"))
    first = run("export", "--all", "--log", "a.db").out
    imported = run("import", "-", "--log", "b.db", stdin=first.encode())
    assert imported.code == 0, imported.err
    assert run("export", "--all", "--log", "b.db").out == first
    assert asyncio.run(written_in(tmp_path / "b.db", list(lineages))) == lineages
    for session in play.sessions:
        name = session.state.id
        assert run("export", name, "--log", "b.db").out == run("export", name, "--log", "a.db").out
    again = run("import", "-", "--log", "b.db", stdin=first.encode())
    assert again.out.startswith("Nothing new")


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_named_goes_out_and_in_as_it_is_in_whatever_order(seed: int, run: Run, tmp_path: Path) -> None:
    """Places in the log are other ones, once."""
    play = played(seed)
    lineages = asyncio.run(write(play, tmp_path / "a.db"))
    names = list(lineages)
    random.Random(seed).shuffle(names)
    first = run("export", *names, "--log", "a.db").out
    imported = run("import", "-", "--log", "b.db", stdin=first.encode())
    assert imported.code == 0, imported.err
    assert asyncio.run(written_in(tmp_path / "b.db", list(lineages))) == lineages
    second = run("export", *names, "--log", "b.db").out
    assert without_positions(second) == without_positions(first)
    assert run("import", "-", "--log", "c.db", stdin=second.encode()).code == 0
    assert run("export", *names, "--log", "c.db").out == second


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fork_alone_is_a_session_of_its_own_until_its_origin_is_there(seed: int, run: Run, tmp_path: Path) -> None:
    play = played(seed)
    asyncio.run(write(play, tmp_path / "a.db"))
    forks = [part for part in map(part_of, play.sessions) if part.origin is not None]
    for fork, origin in [(part.session, part.origin) for part in forks[:2]]:
        alone = run("export", fork, "--log", "a.db").out
        assert run("import", "-", "--log", f"{fork}.db", stdin=alone.encode()).code == 0
        assert without_positions(run("export", fork, "--log", f"{fork}.db").out) == without_positions(alone)
        assert asyncio.run(written_in(tmp_path / f"{fork}.db", [fork])) == {fork: (fork,)}
        before = run("export", origin, "--log", "a.db").out
        assert run("import", "-", "--log", f"{fork}-with.db", stdin=before.encode()).code == 0
        assert run("import", "-", "--log", f"{fork}-with.db", stdin=alone.encode()).code == 0
        found = asyncio.run(written_in(tmp_path / f"{fork}-with.db", [fork]))[fork]
        assert len(found) == 2, "it shares what it is forked from, and nothing is there twice"
