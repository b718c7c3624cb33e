"""The past, read quickly, is what a fold from the session's start comes to: for everyone, at any version, in forks.

Rows are made of the view as it is, documents go on from what their runner left on the way, and a session's page is an
outline. Random sessions show whether each is what it would be without. More of them: STENOGRAM_TEST_PAST=500.
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest
from support.played_log import write_play
from support.random_play import VIEWERS, Play, played

from stenogram.api.access.principal import EVERYTHING, Principal
from stenogram.api.http.session_answers import session_json
from stenogram.api.views.listing import ListPage, ListQuery, list_page
from stenogram.api.views.past import rows_of
from stenogram.api.views.reader import ViewReader
from stenogram.api.views.storage import ViewStorage
from stenogram.domain.audience import Viewer
from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.tools import ToolCalled
from stenogram.domain.envelope import encode, timestamp
from stenogram.domain.ids import Version
from stenogram.domain.model import EventData, Fact
from stenogram.domain.session import fold
from stenogram.domain.state import State
from stenogram.log.commit import outlines
from stenogram.log.log import Log
from stenogram.log.records import Append, Draft
from stenogram.log.storage import Storage
from stenogram.projections.authoring.document import DocProjection
from stenogram.projections.authoring.fingerprint import fingerprint
from stenogram.projections.moment_fold import MomentRows
from stenogram.projections.moments import Moments
from stenogram.projections.past_rows import past_rows
from stenogram.projections.runner import document_snapshots, log_reader
from stenogram.projections.store import memory_views
from stenogram.projections.views import BUILT_IN, agents, transcript
from stenogram.testing.rehearsal import START, Rehearsal
from stenogram.testing.stage import Stage, stage

SCRIPTS = range(int(os.environ.get("STENOGRAM_TEST_PAST", "3")))
DOCUMENTS = [each for each in BUILT_IN if isinstance(each, DocProjection)]
AUDITOR = Viewer("auditor", "service", sees_all=True)
NOTHING = frozenset[int]()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept on the way is kept every few events."""
    monkeypatch.setattr(document_snapshots, "EVERY_EVENTS", 7)
    monkeypatch.setattr(outlines, "KEPT_EVERY_EVENTS", 5)
    monkeypatch.setattr(log_reader, "BATCH", 11)


@asynccontextmanager
async def kept(play: Play, address: str = "") -> AsyncIterator[Stage]:
    """The play in a log, with its views; in memory, if no address is given."""
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(Log(Storage(address).engine())) if address else None
        store = await stack.enter_async_context(ViewStorage("", address).store()) if address else None
        here = await stack.enter_async_context(stage(log, store))
        await write_play(here.log, play)
        async with here.running(*BUILT_IN):
            for projection in BUILT_IN:
                await here.caught_up(projection.name)
            yield here


def moments(play: Play) -> list[tuple[Rehearsal, Version]]:
    """Some versions of each session, in no order."""
    chance = random.Random(3)
    each = [(session, len(session.events)) for session in play.sessions for _ in range(4)]
    return [(session, Version(chance.randint(1, head))) for session, head in chance.sample(each, len(each))]


async def folded(here: Stage, projection: Any, session: str, version: int) -> MomentRows:
    """The view at a version, from the session's start."""
    async with memory_views() as nothing_kept:
        return await Moments(here.log, nothing_kept, projection).rows(session, version, NOTHING)


def principal(viewer: Viewer) -> Principal:
    return Principal(viewer.id, viewer.kind, "", EVERYTHING, (), EVERYTHING if viewer.sees_all else ())


@pytest.mark.parametrize("seed", SCRIPTS)
async def test_rows_are_those_of_a_fold(seed: int) -> None:
    await rows_are_those_of_a_fold(played(seed), "")


async def test_rows_are_those_of_a_fold_wherever_they_are_stored(stored_log: str) -> None:
    await rows_are_those_of_a_fold(played(1), stored_log)


async def rows_are_those_of_a_fold(play: Play, address: str) -> None:
    async with kept(play, address) as here:
        views, pages = ViewReader(here.log, here.store, BUILT_IN), 0
        for session, version in moments(play):
            id = session.state.id
            past, then = await past_rows(here.log, here.store, transcript, id, version), None
            assert past is not None
            then = await folded(here, transcript, id, version)
            for viewer in (*VIEWERS, AUDITOR):
                for order in ("-since", "since"):
                    wanted: ListQuery | None = ListQuery({"session": id}, order, None, 3)
                    while wanted is not None:
                        page = await list_page(views, transcript, principal(viewer), wanted, past=past)
                        assert page == await rows_of(transcript, then, viewer, wanted), (id, version, viewer, order)
                        wanted, pages = _next(wanted, page), pages + 1
        assert pages > 20


def _next(wanted: ListQuery, page: ListPage) -> ListQuery | None:
    return None if page.next is None else wanted._replace(after=page.next)


@pytest.mark.parametrize("seed", SCRIPTS)
async def test_documents_are_those_of_a_fold(seed: int) -> None:
    play = played(seed)
    async with kept(play) as here:
        left = 0
        for session, version in moments(play):
            for projection in DOCUMENTS:
                id, by = session.state.id, fingerprint(projection, here.log.epoch)
                left += await here.store.snapshot(projection.name, by, id, version) is not None
                found = await Moments(here.log, here.store, projection).rows(id, version, NOTHING)
                whole = await folded(here, projection, id, version)
                assert _values(found) == _values(whole), (projection.name, id, version)
                assert (found.version, found.position) == (whole.version, whole.position)
        assert left, "their runner left some"


async def test_who_may_see_little_does_not_have_all_of_it_read_again_and_again(read: list[int]) -> None:
    calls: list[EventData] = [SessionOpened(), *(ToolCalled(call=f"c{n}", tool="search") for n in range(5_000))]
    shown = ToolCalled(call="shown", tool="search")
    async with stage() as here:
        facts = [Fact(calls[0]), *(Fact(each, audience=("maya",)) for each in calls[1:]), Fact(shown)]
        drafts = [
            Draft(fact.data.type, fact.data.subject(), encode(f"e-{n}", fact, timestamp(START), "hotels"), n)
            for n, fact in enumerate(facts)
        ]
        await here.log.append(Append("s", tuple(drafts)))
        async with here.running(transcript):
            await here.caught_up(transcript.name)
            views, head = ViewReader(here.log, here.store, BUILT_IN), Version(len(facts))
            past = await past_rows(here.log, here.store, transcript, "s", head)
            read.clear()
            wanted = ListQuery({"session": "s"}, "since", None, 500)
            page = await list_page(views, transcript, principal(Viewer("ben", "user")), wanted, past=past)
    assert [orjson.loads(text)["entry"] for _, text in page.rows] == ["tool:shown"]
    assert sum(read) < 3 * head


def _values(rows: MomentRows) -> list[Any]:
    return [[_json(column) for column in orjson.loads(data)] for data in rows.packed.values()]


def _json(column: Any) -> Any:
    return orjson.loads(column) if isinstance(column, str) and column.startswith("{") else column


@pytest.mark.parametrize("seed", SCRIPTS)
async def test_pages_of_sessions_are_those_of_a_fold(seed: int) -> None:
    play = played(seed)
    async with kept(play) as here:
        for session, version in moments(play):
            id = session.state.id
            state = fold(State(id), session.events[:version])
            outline = await here.log.outline_at(id, version)
            for viewer in (*VIEWERS, AUDITOR):
                assert await session_json(outline, viewer) == await session_json(state, viewer), (id, version)


async def test_what_is_not_complete_is_not_read_from_the_view() -> None:
    play = played(1)
    id, head = play.session.state.id, Version(len(play.session.events))
    async with kept(play) as here:
        assert await past_rows(here.log, here.store, agents, id, head) is None, "its rows have no lifetime"
        build = await here.store.current(transcript.name)
        assert build is not None
    async with stage() as here:
        await write_play(here.log, play)
        assert await past_rows(here.log, here.store, transcript, id, head) is None, "it is not built"
