"""Work: claiming it, and saying what is done, by who claimed it or was called."""

from itertools import islice
from typing import Any

import orjson
from aiohttp import web

from ....domain.concepts.stream_subscriptions import (
    MAX_WOKEN,
    AckWork,
    ClaimWork,
    ReleaseWork,
    StreamPlace,
    Subscription,
    fenced,
)
from ....domain.errors import Invalid, NotFound
from ....domain.ids import new_id
from ....domain.model import CommandData
from ....log.log import Log
from ...access.principal import Principal
from ..offsets import NOW, read_offset
from ..service import StreamService
from .bodies import AckBody, AckedStream, ClaimBody, ReleaseBody, read_as
from .lease_tokens import Lease
from .linked_streams import LinkedStream, any_pending, granted, linked_streams, readable_for
from .names import stream_session, subscription_session
from .service import Subscriptions, current
from .workers import submit


class WorkDesk:
    """The handlers."""

    def __init__(self, service: StreamService, subscriptions: Subscriptions) -> None:
        self._service = service
        self._subscriptions = subscriptions

    async def claim(self, request: web.Request) -> web.Response:
        """`POST …/claim`: have the work, if there is any and nobody else has it."""
        principal = self._service.auth.of_request(request)
        session = subscription_session(principal.participant, request.match_info["id"])
        principal.require("speak", session)
        body = await read_as(request, ClaimBody, self._service.settings.depth)
        tenant = await self._service.current(request, principal)
        self._subscriptions.kept_in(tenant)
        log = tenant.log
        found = await current(log, session)
        if found is None:
            raise NotFound("There is no such subscription; create it with PUT.")
        told = (granted(found, tenant.name), principal)
        pending = (
            [each.place for each in await _pending(log, found, *told)] if found.is_granted(log.clock.now()) else []
        )
        claim = ClaimWork(wake=f"w_{new_id()}", worker=body.worker, streams=tuple(pending))
        result = await self._service.submit(request, principal, session, claim)
        # As it was then: another worker may have come since.
        claimed = (await log.state_at(session, result.versions[-1])).stream_subscriptions.current(session)
        assert claimed is not None
        assert claimed.wake is not None
        streams = [each.json(log.epoch) for each in await _pending(log, claimed, *told)]
        lease = Lease(tenant.name, session, claimed.generation, claimed.wake.id)
        return _json(
            {
                "wake_id": claimed.wake.id,
                "generation": claimed.generation,
                "token": self._subscriptions.tokens.make(lease),
                "streams": streams,
                "lease_ttl_ms": claimed.config.lease_ms,
            }
        )

    async def ack(self, request: web.Request) -> web.Response:
        """`POST …/ack` and `POST …/callback`: say what is done, and that one goes on, or has come to the end."""
        lease = self._subscriptions.tokens.of_request(request)
        body = await read_as(request, AckBody, self._service.settings.depth)
        log, found, worker = await self._leased(request, lease, body)
        if found.is_granted(log.clock.now()):
            acks = tuple([await _place(log, found, worker, each) for each in body.acks])
        else:
            acks = tuple([_told_place(log, found, each) for each in body.acks])
        command = AckWork(generation=body.generation, wake=body.wake_id, acks=acks, done=body.done)
        await _submit(log, worker, found, command)
        left, more = await current(log, lease.session), False
        if body.done and left is not None and left.is_granted(log.clock.now()):
            more = await any_pending(log, left, worker)
        return _json({"ok": True, "next_wake": more})

    async def release(self, request: web.Request) -> web.Response:
        """`POST …/release`: give the work back."""
        lease = self._subscriptions.tokens.of_request(request)
        body = await read_as(request, ReleaseBody, self._service.settings.depth)
        log, found, worker = await self._leased(request, lease, body)
        await _submit(log, worker, found, ReleaseWork(generation=body.generation, wake=body.wake_id))
        return web.Response(status=204)

    async def _leased(
        self, request: web.Request, lease: Lease, body: ReleaseBody
    ) -> tuple[Log, Subscription, Principal]:
        """The subscription that a lease is of, and who may be told of its streams. Raises Fenced and NotFound."""
        tenant = await self._service.tenants.use_in(request, lease.tenant)
        await tenant.log.catch_up()
        found = await current(tenant.log, lease.session)
        if found is None or found.name != request.match_info["id"]:
            raise NotFound("There is no such subscription; it may have been deleted.")
        if (body.generation, body.wake_id) != (lease.generation, lease.wake):
            raise fenced()
        return tenant.log, found, granted(found, lease.tenant)


async def _submit(log: Log, worker: Principal, found: Subscription, data: CommandData) -> None:
    """Not as a request of that participant: others may work for them, and they are not heard by that."""
    await submit(log, found, data, worker.actor)


async def _pending(log: Log, found: Subscription, *told: Principal) -> list[LinkedStream]:
    """Streams with work, as many as one wake tells of."""
    return list(islice([each async for each in linked_streams(log, found, *told) if each.pending], MAX_WOKEN))


async def _place(log: Log, found: Subscription, worker: Principal, acked: AckedStream) -> StreamPlace:
    """Up to where a stream is done. Raises Invalid."""
    session = stream_session(acked.stream)
    stream = await readable_for(log, session, (worker,)) if session in found.links else None
    if stream is None:
        raise Invalid("A stream that is acked is none of the subscription's.")
    place = read_offset(acked.offset, log.epoch)
    if place == NOW:
        return StreamPlace(session=session, place=stream.tail)
    if int(place) > stream.end:
        raise Invalid("An offset is beyond the end of its stream.")
    return StreamPlace(session=session, place=max(0, int(place)))


def _told_place(log: Log, found: Subscription, acked: AckedStream) -> StreamPlace:
    """The same where nothing may be told any longer: no further than the wake told, and no word of where it ends."""
    session = stream_session(acked.stream)
    told = dict(found.wake.streams if found.wake is not None else ()).get(session)
    if told is None:
        raise Invalid("A stream that is acked is none of this wake's.")
    place = read_offset(acked.offset, log.epoch)
    return StreamPlace(session=session, place=told if place == NOW else min(told, max(0, int(place))))


def _json(answer: dict[str, Any]) -> web.Response:
    return web.Response(body=orjson.dumps(answer), content_type="application/json")
