"""Events of a protocol with the places behind them, as bytes that all streams share."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import orjson

from ..delivery.resume_point import write_resume_point
from ..delivery.sse_encoder import http_chunk


class Placed(NamedTuple):
    """An event, and its id; None where one cannot go on behind it."""

    event: dict[str, Any]
    id: str | None = None


Group = Callable[[Sequence[Placed]], bytes]
"""Makes bytes of events that are delivered at once."""


def epoch_of(resume: str) -> str:
    """The epoch in which a resume point is one."""
    return resume.rpartition(".v")[0]


def places_behind(epoch: str, version: int, count: int) -> list[str]:
    """The places behind each of so many events that one event of a session is. All but the last are within it:
    `epoch.v41_2` is behind the second of what follows version 41. So a connection may be cut anywhere."""
    before = write_resume_point(epoch, version - 1)
    within = [f"{before}_{number}" for number in range(1, count)]
    return [*within, write_resume_point(epoch, version)] if count else []


def sse_group(events: Sequence[Placed]) -> bytes:
    """Blocks of server-sent events (WHATWG HTML §9.2), as one HTTP chunk; where there is no event, a place alone."""
    return http_chunk(b"".join([_block(*each) for each in events]))


def _block(event: dict[str, Any], id: str | None) -> bytes:
    head = b"" if id is None else b"id: %s\n" % id.encode()
    return b"%sdata: %s\n\n" % (head, orjson.dumps(event)) if event else head + b"\n"
