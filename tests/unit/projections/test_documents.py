"""Document projections: what comes of events, and which models and handlers are refused."""

from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr, computed_field

from stenogram.domain.audience import Viewer
from stenogram.domain.catalogue import register
from stenogram.domain.concepts.custom import OpaqueData
from stenogram.domain.concepts.messages import MessageCompleted, MessageDelta, MessagePosted
from stenogram.domain.concepts.presence import PresenceJoined, PresenceLeft
from stenogram.domain.model import EventData
from stenogram.domain.parts import TextPart
from stenogram.projections import DELETE, DocProjection, Meta, fold
from stenogram.testing import event, given
from stenogram.testing.command import START


class Tally(BaseModel):
    said: int = 0
    speakers: list[str] = []
    last: datetime | None = None


@register
class Booked(EventData):
    type = "x.tally.booked"
    room: int


def posted(message: str = "m1") -> MessagePosted:
    return MessagePosted(message=message, parts=(TextPart(text="Three hotels have rooms."),))


def tally(**options: Any) -> DocProjection[Tally]:
    projection = DocProjection("tally", Tally, **options)

    @projection.on
    def _(doc: Tally, event: MessagePosted | MessageCompleted, meta: Meta) -> None:
        doc.said += 1
        doc.last = meta.time
        if meta.actor not in doc.speakers:
            doc.speakers.append(meta.actor)

    return projection


def test_a_document_is_folded_for_each_session() -> None:
    events = [event(posted(f"m{n}"), version=n, session=f"s-{n % 2}", actor="ada") for n in range(1, 6)]
    assert {key: doc.said for key, doc in fold(tally(), events).items()} == {"s-1": 3, "s-0": 2}


def test_a_document_is_folded_for_each_actor() -> None:
    events = [event(posted(f"m{n}"), version=n, actor=f"agent-{n % 2}") for n in range(1, 6)]
    assert {key: doc.said for key, doc in fold(tally(key="actor"), events).items()} == {"agent-1": 3, "agent-0": 2}


def test_an_event_may_belong_to_several_keys_or_none() -> None:
    seen: dict[str, list[str]] = {}

    def everyone_addressed(event: EventData, meta: Meta) -> tuple[str, ...] | None:
        return meta.audience

    inbox = DocProjection("inbox", Tally, key=everyone_addressed)
    inbox.shown(lambda doc, viewer: doc if viewer.sees_all else None)

    @inbox.on
    def _(doc: Tally, event: MessagePosted, meta: Meta) -> None:
        doc.said += 1
        seen.setdefault(meta.key, []).append(event.message)

    first = event(posted("m1"), audience=("ada", "hotels"))
    boxes = fold(inbox, [first, event(posted("m2"), version=2), event(posted("m3"), version=3, audience=("ada",))])
    assert {key: doc.said for key, doc in boxes.items()} == {"ada": 2, "hotels": 1}
    assert seen == {"ada": ["m1", "m3"], "hotels": ["m1"]}


@pytest.mark.parametrize("key", ["", "x" * 513, "a\0b", "a\ud800b", "unkeyed:s-1", 7])
def test_what_is_no_key_is_refused(key: Any) -> None:
    failed = given(tally(key=lambda event, meta: [key]), posted()).then_fails()
    assert "is no key" in failed.detail


def test_a_handler_deletes_by_what_it_returns() -> None:
    here = DocProjection("here", Tally)

    @here.on
    def _(doc: Tally, event: PresenceJoined) -> None:
        doc.said += 1

    @here.on
    def _(doc: Tally, event: PresenceLeft) -> Any:
        return DELETE

    joined, left = PresenceJoined(participant="hotels", kind="agent"), PresenceLeft(participant="hotels")
    given(here, joined, left).then().then_same()
    given(here, joined, joined, left, joined).then(Tally(said=1)).redelivered(2).in_batches(1, 2, 3).then_same()


def test_handlers_of_all_events_and_of_unregistered_types() -> None:
    types: list[str] = []
    log = DocProjection("log", Tally)

    @log.on
    def _(doc: Tally, event: EventData) -> None:
        doc.said += 1

    @log.on
    def _(doc: Tally, event: OpaqueData, meta: Meta) -> None:
        types.append(f"{meta.type} {event.value['room']}")

    @log.on
    def _(doc: Tally, event: Booked, meta: Meta) -> None:
        types.append(f"{meta.type} {event.room}")

    unknown = event(OpaqueData(value={"room": 12}), version=3, type="x.unheard.of")
    given(log, event(posted()), event(Booked(room=7), version=2), unknown).then(Tally(said=3))
    assert types == ["x.tally.booked 7", "x.unheard.of 12"]


def test_events_that_nobody_handles_leave_no_document() -> None:
    given(tally(), PresenceJoined(participant="hotels", kind="agent")).then()


def test_deltas_can_be_passed_over_by_handlers_of_all_events() -> None:
    log = DocProjection("log", Tally)
    log.handlers.pass_over(MessageDelta)

    @log.on
    def _(doc: Tally, event: EventData) -> None:
        doc.said += 1

    given(log, MessageDelta(message="m1", index=0, text="Three"), posted("m2")).then(Tally(said=1))


def test_what_is_not_for_everyone_is_folded_only_where_it_is_said_who_is_shown_what() -> None:
    secret = event(posted("m1"), audience=("agents",))
    given(tally(), secret, event(posted("m2"), version=2)).then_at(
        "s-1", Tally(said=1, speakers=["hotels"], last=START)
    )

    for_agents = tally()
    for_agents.shown(lambda doc, viewer: doc if viewer.kind == "agent" else None)
    (doc,) = fold(for_agents, [secret]).values()
    assert doc.said == 1
    assert for_agents.seen is not None
    assert for_agents.seen(doc, Viewer("ada", "user")) is None
    assert for_agents.seen(doc, Viewer("hotels", "agent")) is doc


def test_a_failing_handler_is_named_with_its_event() -> None:
    projection = DocProjection("poisoned", Tally)

    @projection.on
    def _(doc: Tally, event: MessagePosted) -> None:
        raise KeyError(event.message)

    failed = given(projection, posted("m1")).then_fails()
    assert failed.detail == ("poisoned failed at event 1 of session 's-1' (message.posted, position 1): KeyError: 'm1'")
    assert failed.extra["version"] == 1


def test_a_document_that_json_does_not_keep_is_found_out() -> None:
    class Odd(BaseModel):
        seen: dict[str, Any] = {}

    odd = DocProjection("odd", Odd)

    @odd.on
    def _(doc: Odd, event: MessagePosted, meta: Meta) -> None:
        doc.seen[event.message] = (meta.actor,)

    with pytest.raises(AssertionError, match=r"odd in batches of 1, each 1 times: at 's-1': .*\['hotels'\]"):
        given(odd, posted()).then_same()


def test_models_that_cannot_be_kept_are_refused() -> None:
    class Wanting(BaseModel):
        title: str

    class Private(BaseModel):
        _cache: int = PrivateAttr(0)

    class Computed(BaseModel, extra="forbid"):
        @computed_field  # type: ignore[prop-decorator]
        @property
        def answer(self) -> int:
            return 42

    class Unstable(BaseModel):
        anything: Any = (1, 2)

    for model, why in (
        (Wanting, "give title of Wanting a default"),
        (Private, "private attributes"),
        (Computed, "cannot be read back"),
        (Unstable, "is another after"),
        (int, "no pydantic model"),
    ):
        with pytest.raises(TypeError, match=why):
            DocProjection("bad", model)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("index", "why"), [("said_", "has no field"), ("speakers", "cannot be indexed: only"), ("last", None)]
)
def test_only_plain_fields_are_indexed(index: str, why: str | None) -> None:
    if why is None:
        assert tally(indexes=[index]).shape.indexes == ((index,),)
    else:
        with pytest.raises(TypeError, match=why):
            tally(indexes=[index])


@pytest.mark.parametrize("name", ["", "Tally", "1st", "a" * 41, "a-b"])
def test_names_that_are_no_table_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a projection"):
        DocProjection(name, Tally)
    with pytest.raises(ValueError, match="count from 1"):
        DocProjection("tally", Tally, version=0)


def test_handlers_that_cannot_be_are_refused() -> None:
    projection: Any = DocProjection("tally", Tally)

    def none(doc: Tally) -> None: ...
    def four(doc: Tally, event: MessagePosted, meta: Meta, more: int) -> None: ...
    def bare(doc: Tally, event) -> None: ...  # type: ignore[no-untyped-def]
    def mixed(doc: Tally, event: MessagePosted | str) -> None: ...
    def other(doc: BaseException, event: MessagePosted) -> None: ...
    def late(doc: Tally, event: MessagePosted, meta: dict[str, int]) -> None: ...
    def unknown(doc: Tally, event: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for handler, why in (
        (none, "should take the event"),
        (four, "should take the event"),
        (bare, "should be annotated with a payload class"),
        (mixed, "should be annotated with a payload class"),
        (other, "is given a Tally"),
        (late, "should be annotated with Meta"),
        (unknown, "'Missing' is not defined"),
    ):
        with pytest.raises(TypeError, match=why):
            projection.on(handler)
