"""Streams: what may be appended, who is shut out, and when one is gone."""

import pytest

from stenogram.domain.concepts.streams import NoteFork, RenewStream, Stream
from stenogram.domain.errors import Conflict, Invalid, NoChange, NotFound, Refused, StaleProducer
from stenogram.domain.model import TIMEKEEPER, Actor, CommandData
from stenogram.testing.rehearsal import Rehearsal

ADA = Actor("ada", "user")


def made(**how: object) -> Rehearsal:
    """A session with a stream of text."""
    session = Rehearsal("notes:7", opened=False)
    session.do("hotels", "stream.create", {"content_type": "text/plain", **how})
    return session


def of(session: Rehearsal) -> Stream:
    """The stream."""
    stream = session.state.streams.last
    assert stream is not None
    return stream


def append(session: Rehearsal, text: str, **how: object) -> list[str]:
    """Append; the types of what came of it."""
    return [each.type for each in session.do("hotels", "stream.append", {"content": {"text": text}, **how})]


def by_gateway(session: Rehearsal, data: CommandData, actor: Actor = TIMEKEEPER) -> list[str]:
    """What no client can send; the types of what came of it."""
    command = session.command(actor, "presence.leave", {})
    return [each.type for each in session.execute(command._replace(data=data))]


def numbered(epoch: int, seq: int, id: str = "p") -> dict[str, object]:
    """The number of a producer's append."""
    return {"producer": {"id": id, "epoch": epoch, "seq": seq}}


def test_a_stream_opens_its_session_and_says_so_in_a_label() -> None:
    session = made(content={"text": "a"}, closed=True)
    assert [each.type for each in session.events] == [
        *("session.opened", "stream.created", "stream.appended", "stream.closed")
    ]
    assert session.state.session.labels == {"stream": "text/plain"}
    assert (of(session).tail, of(session).closed) == (3, True)


def test_a_session_without_a_stream_gets_none() -> None:
    assert Rehearsal().refusal("ada", "stream.create").code == "conflict"


def test_there_is_one_stream_at_a_time() -> None:
    session = made()
    assert session.refusal("ada", "stream.create").code == "conflict"
    session.do("ada", "stream.delete")
    assert session.refusal("hotels", "stream.append", content={"text": "a"}).code == "not_found"
    session.do("ada", "stream.create", content_type="application/json")
    assert (of(session).since, of(session).content_type) == (4, "application/json")


@pytest.mark.parametrize(
    "content", [{}, {"text": "a", "base64": "YQ=="}, {"messages": [1]}, {"text": ""}, {"base64": "a"}]
)
def test_content_has_one_form_that_fits_its_type(content: dict[str, object]) -> None:
    assert made().refusal("hotels", "stream.append", content=content).code == "invalid"


def test_what_is_of_another_type_is_refused() -> None:
    session = made()
    append(session, "a", content_type="TEXT/plain; charset=utf-8")
    refusal = session.refusal("hotels", "stream.append", content={"text": "b"}, content_type="text/html")
    assert refusal.code == "conflict"


def test_a_producer_is_heard_in_order_and_each_append_once() -> None:
    session = made()
    for seq in (0, 1):
        append(session, f"{seq}", **numbered(0, seq))
    for seq in (0, 1):
        with pytest.raises(NoChange) as repeat:
            append(session, "again", **numbered(0, seq))
        assert repeat.value.extra == {"epoch": 0, "seq": 1}
    with pytest.raises(Conflict) as gap:
        append(session, "3", **numbered(0, 3))
    assert gap.value.extra == {"expected_seq": 2}
    append(session, "0", **numbered(0, 0, "another"))


def test_a_producer_of_another_participant_is_another_one() -> None:
    session = made()
    append(session, "a", **numbered(0, 0))
    with pytest.raises(Conflict) as gap:
        session.do("rooms", "stream.append", {"content": {"text": "b"}, **numbered(0, 1)})
    assert gap.value.extra == {"expected_seq": 0}
    session.do("rooms", "stream.append", {"content": {"text": "b"}, **numbered(7, 0)})
    append(session, "c", **numbered(0, 1))
    append(session, "d", closed=True, **numbered(0, 2))
    with pytest.raises(Conflict) as closed:
        session.do("rooms", "stream.close", numbered(7, 1))
    assert closed.value.extra == {"closed": True}
    with pytest.raises(NoChange):
        append(session, "d", closed=True, **numbered(0, 2))


def test_a_newer_epoch_shuts_the_older_out_also_when_the_stream_is_closed() -> None:
    session = made()
    append(session, "a", **numbered(3, 0))
    with pytest.raises(Invalid):
        append(session, "b", **numbered(4, 1))
    append(session, "b", **numbered(4, 0))
    session.do("hotels", "stream.close")
    with pytest.raises(StaleProducer) as stale:
        append(session, "c", **numbered(3, 1))
    assert stale.value.extra == {"epoch": 4}


def test_what_closed_a_stream_closes_it_once_more() -> None:
    session = made()
    assert append(session, "a", closed=True, **numbered(0, 0)) == ["stream.appended", "stream.closed"]
    with pytest.raises(NoChange):
        append(session, "another", closed=True, **numbered(0, 0))
    for refused in (numbered(0, 1), numbered(0, 0, "another"), {}):
        with pytest.raises(Conflict) as closed:
            append(session, "b", **refused)
        assert closed.value.extra == {"closed": True}
    with pytest.raises(NoChange):
        session.do("hotels", "stream.close")


def test_order_is_byte_by_byte() -> None:
    session = made()
    append(session, "a", seq="a")
    for seq in ("B", "a", "A1"):
        with pytest.raises(Conflict):
            append(session, "b", seq=seq)
    append(session, "b", seq="é")


def test_a_stream_lives_as_long_as_it_is_read_or_written() -> None:
    session = made(ttl=20)
    session.wait(5)
    assert by_gateway(session, RenewStream()) == ["stream.renewed"]
    with pytest.raises(NoChange):
        by_gateway(session, RenewStream())
    session.wait(18)
    append(session, "a")
    session.wait(22)
    with pytest.raises(NotFound):
        append(session, "b")
    assert session.do("hotels", "stream.create", content_type="text/plain")[0].type == "stream.created"


def test_a_stream_ends_when_it_says_and_not_before() -> None:
    session = made(expires_at="2026-01-01T00:00:20Z")
    session.wait(17)
    append(session, "a")
    with pytest.raises(NotFound):
        append(session, "b")
    with pytest.raises(Invalid):
        made(ttl=1, expires_at="2026-01-01T00:00:20Z")


def test_closing_the_session_closes_the_stream() -> None:
    session = made()
    append(session, "a")
    closing = session.do(ADA, "session.close")
    assert [each.type for each in closing] == ["session.closed", "stream.closed"]
    session.do(ADA, "session.reopen")
    with pytest.raises(Conflict):
        append(session, "b")


def test_closing_the_session_does_not_bring_back_a_stream_that_has_expired() -> None:
    session = made(ttl=20)
    session.wait(23)
    session.do(ADA, "session.close")
    assert of(session).is_gone(session.events[-1].time)


def test_who_may_not_see_a_stream_is_told_that_there_is_none() -> None:
    session = made(audience=["agents"])
    assert session.refusal(ADA, "stream.append", content={"text": "a"}).code == "not_found"
    assert session.refusal(ADA, "stream.delete").code == "not_found"
    append(session, "a")
    assert {each.audience for each in session.events[1:]} == {("agents",)}


def test_who_creates_a_stream_for_others_alone_writes_and_reads_it_too() -> None:
    session = made(audience=["users"])
    append(session, "a")
    assert {each.audience for each in session.events[1:]} == {("hotels", "users")}
    assert session.refusal("rooms", "stream.append", content={"text": "b"}).code == "not_found"
    session.do(ADA, "stream.append", {"content": {"text": "c"}})
    session.do("hotels", "stream.close")


def test_an_agent_without_the_floor_appends_for_the_team_alone() -> None:
    session = made()
    session.do(ADA, "floor.move", speakers=[])
    with pytest.raises(Refused) as refusal:
        append(session, "a")
    assert refusal.value.code == "forbidden"
    session.do("hotels", "stream.delete")
    session.do("hotels", "stream.create", content_type="text/plain", content={"text": "a"})
    assert [each.audience for each in session.events[-2:]] == [("agents",)] * 2


def test_a_fork_is_on_record_for_who_made_it() -> None:
    session = made()
    assert by_gateway(session, NoteFork(fork="notes:8", since=2), ADA) == ["stream.forked"]
    assert (session.events[-1].audience, list(of(session).forks)) == (("ada",), ["notes:8"])
    with pytest.raises(NoChange):
        by_gateway(session, NoteFork(fork="notes:8", since=2), ADA)
    with pytest.raises(NotFound):
        by_gateway(session, NoteFork(fork="notes:9", since=1), ADA)


def test_the_same_id_with_other_content_is_a_conflict() -> None:
    session = made()
    first = session.command("hotels", "stream.append", {"content": {"text": "a"}})
    other = session.command("hotels", "stream.append", {"content": {"text": "b"}})
    session.execute(first)
    assert session.execute(first)[0].version == 3
    with pytest.raises(Conflict):
        session.execute(other._replace(id=first.id))
