"""Something to say at length, and the audit of what came of it: everything acknowledged is in the log, once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from stenogram.log.records import Record
from support.wire.follower import Frame
from support.wire.reconnecting import ReconnectingWriter

DELTAS = 8


def workload(name: str, sessions: Sequence[str], count: int) -> Iterator[Frame]:
    """`count` commands of one participant, in its sessions in turn: messages token by token, changes of the state,
    custom events with a producer's count. All are accepted if they come in this order."""
    number = 0
    while True:
        turn, message = number // (DELTAS + 4), f"{name}-{number}"
        session = sessions[turn % len(sessions)]
        for do, data in _turn(message, number):
            if number >= count:
                return
            number += 1
            producer = {}
            if do == "custom.record":
                producer = {"producer": {"id": name, "epoch": 1, "seq": turn // len(sessions)}}
            yield {"frame": "command", "id": f"{name}:{number}", "session": session, "do": do, "data": data, **producer}


def _turn(message: str, number: int) -> Iterator[tuple[str, Frame]]:
    yield "message.start", {"message": message}
    for index in range(DELTAS):
        yield "message.delta", {"message": message, "index": index, "text": f"«{index}»"}
    yield "message.complete", {"message": message, "deltas": DELTAS}
    yield "state.increment", {"path": "/said", "by": 1}
    yield "custom.record", {"type": "x.n", "data": {"number": number}}


def audit(records: Sequence[Record], writers: Iterable[ReconnectingWriter]) -> None:
    """Check a whole log in which nobody but these writers said anything like them. Raises AssertionError."""
    assert [record.position for record in records] == list(range(1, len(records) + 1)), "positions have holes"
    versions: dict[str, int] = {}
    said: dict[tuple[Any, ...], Record] = {}
    for record in records:
        versions[record.session] = versions.get(record.session, 0) + 1
        assert record.version == versions[record.session], f"versions of {record.session} have holes"
        identity = _of_event(record)
        assert identity not in said, f"{identity} was written twice"
        said[identity] = record
    for writer in writers:
        for id, ack in writer.acks.items():
            found = said.get(_of_command(writer.name, writer.sent[id]))
            assert found is not None, f"{id} was acknowledged and is not there"
            assert not ack["versions"] or ack["versions"] == [found.version], f"{id} is at {found.version}, not {ack}"


def _of_event(record: Record) -> tuple[Any, ...]:
    event = orjson.loads(record.data)
    data = event["data"]
    if event["type"] == "message.delta":
        return event["actor"], data["message"], data["index"]
    if event["type"] == "x.n":
        return event["actor"], "x.n", data["number"]
    return event["actor"], event["type"], event.get("cause", event["id"])


def _of_command(actor: str, command: Frame) -> tuple[Any, ...]:
    do, data = command["do"], command["data"]
    if do == "message.delta":
        return actor, data["message"], data["index"]
    if do == "custom.record":
        return actor, "x.n", data["data"]["number"]
    type = {"message.start": "message.started", "message.complete": "message.completed"}.get(do, "state.incremented")
    return actor, type, command["id"]
