"""Making, showing, changing and deleting subscriptions: requests by the participant whose they are."""

import contextlib
import re
from typing import Any

import orjson
from aiohttp import web

from ....domain.concepts.stream_subscriptions import (
    CreateSubscription,
    DeleteSubscription,
    LinkStreams,
    StreamLink,
    Subscription,
    SubscriptionConfig,
    SubscriptionGrant,
    UnlinkStream,
)
from ....domain.envelope import timestamp
from ....domain.errors import Conflict, Invalid, NoChange, NotFound
from ....domain.ids import SessionId
from ....log.log import Log
from ...access.principal import Principal
from ..readable import find_readable
from ..service import StreamService
from .bodies import StreamsBody, SubscriptionBody, read_as
from .linked_streams import first_links, linked_streams
from .names import CONTROL, path_of, stream_session, subscription_session
from .service import Subscriptions, current

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}").fullmatch


class SubscriptionManager:
    """The handlers."""

    def __init__(self, service: StreamService, subscriptions: Subscriptions) -> None:
        self._service = service
        self._subscriptions = subscriptions

    async def create(self, request: web.Request) -> web.Response:
        """`PUT`: create it, or confirm that it is there as it is wanted."""
        principal, session = self._asked(request)
        principal.require("session", session)
        body = await read_as(request, SubscriptionBody, self._service.settings.depth)
        config = body.config()
        tenant = await self._service.current(request, principal)
        keeper = self._subscriptions.kept_in(tenant)
        if config.webhook is not None:
            self._subscriptions.sender.rules.check(config.webhook)
        for stream in config.streams:
            principal.require_read(stream)
        if config.wake_stream is not None:  # also to confirm it: it is written there from now on by this token
            principal.require("speak", config.wake_stream)
        existing = await current(tenant.log, session)
        if existing is not None and existing.config == config:
            with contextlib.suppress(NoChange):
                await self._service.submit(request, principal, session, self._creation(request, principal, config))
        else:
            async with keeper.place_for(session, self._subscriptions.most):
                links = await _first_links(tenant.log, config, principal)
                data = self._creation(request, principal, config, links)
                with contextlib.suppress(NoChange):  # it has come to be meanwhile
                    await self._service.submit(request, principal, session, data)
        found = await current(tenant.log, session)
        if found is None:
            raise Conflict("The subscription was deleted a moment ago.")
        return await self._shown(tenant.log, found, principal, 201 if existing is None else 200)

    async def show(self, request: web.Request) -> web.Response:
        """`GET`."""
        principal, session = self._asked(request)
        log = (await self._service.current(request, principal)).log
        return await self._shown(log, await self._found(log, session), principal, 200)

    async def delete(self, request: web.Request) -> web.Response:
        """`DELETE`."""
        principal, session = self._asked(request)
        principal.require("session", session)
        await self._service.submit(request, principal, session, DeleteSubscription())
        return web.Response(status=204)

    async def add_streams(self, request: web.Request) -> web.Response:
        """`POST …/streams`: follow these, too, from where they end."""
        principal, session = self._asked(request)
        principal.require("session", session)
        body = await read_as(request, StreamsBody, self._service.settings.depth)
        streams = sorted({stream_session(each) for each in body.streams})
        for stream in streams:
            principal.require_read(stream)
        log = (await self._service.current(request, principal)).log
        found = await self._found(log, session)
        if found.config.wake_stream in streams:
            raise Invalid("The wake stream is none of the streams: each wake would lead to another.")
        links = await first_links(log, None, streams, None, principal)
        await self._changed(request, principal, session, LinkStreams(links=links))
        return web.Response(status=204)

    async def remove_stream(self, request: web.Request) -> web.Response:
        """`DELETE …/streams/{path}`: follow it no longer for having been named."""
        principal, session = self._asked(request)
        principal.require("session", session)
        stream = stream_session(request.match_info["path"])
        await self._changed(request, principal, session, UnlinkStream(stream=stream))
        return web.Response(status=204)

    async def _changed(
        self, request: web.Request, principal: Principal, session: SessionId, data: LinkStreams | UnlinkStream
    ) -> None:
        with contextlib.suppress(NoChange):  # it is as it is wanted
            await self._service.submit(request, principal, session, data)

    def _asked(self, request: web.Request) -> tuple[Principal, SessionId]:
        principal = self._service.auth.of_request(request)
        return principal, subscription_session(principal.participant, request.match_info["id"])

    async def _found(self, log: Log, session: SessionId) -> Subscription:
        found = await current(log, session)
        if found is None:
            raise NotFound("There is no such subscription; create it with PUT.")
        return found

    def _creation(
        self,
        request: web.Request,
        principal: Principal,
        config: SubscriptionConfig,
        links: tuple[StreamLink, ...] = (),
    ) -> CreateSubscription:
        grant = SubscriptionGrant(
            kind=principal.kind, read=principal.read, audit=principal.audit, expires=principal.expires
        )
        name, base = request.match_info["id"], self._base(request)
        return CreateSubscription(name=name, config=config, grant=grant, base=base, links=links)

    def _base(self, request: web.Request) -> str:
        if not _HOST(request.host):
            raise Invalid("The header Host is no host.")
        return self._subscriptions.base(f"{request.scheme}://{request.host}")

    async def _shown(self, log: Log, found: Subscription, principal: Principal, status: int) -> web.Response:
        config, now = found.config, log.clock.now()
        failed = found.retry_at is not None or not found.is_granted(now)
        shown: dict[str, Any] = {
            "id": found.name,
            "subscription_id": found.name,
            "type": config.delivery,
            "pattern": config.pattern,
            "streams": [each.brief(log.epoch) async for each in linked_streams(log, found, principal)],
            "webhook": None if config.webhook is None else self._webhook(found, config.webhook),
            "wake_stream": None if config.wake_stream is None else path_of(config.wake_stream),
            "lease_ttl_ms": config.lease_ms,
            "created_at": timestamp(found.created),
            "status": "failed" if failed else "active",
            "description": config.description,
        }
        return web.Response(body=orjson.dumps(shown), status=status, content_type="application/json")

    def _webhook(self, found: Subscription, url: str) -> dict[str, Any]:
        keys = {"alg": "ed25519", "kid": self._subscriptions.keys.kid, "jwks_url": f"{found.base}{CONTROL}jwks.json"}
        return {"url": url, "signing": keys}


async def _first_links(log: Log, config: SubscriptionConfig, principal: Principal) -> tuple[StreamLink, ...]:
    """The streams of a subscription that is about to be made, if it may. Raises the Refused tree."""
    if config.wake_stream is not None:
        await _refuse_unwritable(log, config.wake_stream, principal)
    return await first_links(log, config.pattern, config.streams, config.wake_stream, principal)


async def _refuse_unwritable(log: Log, session: SessionId, principal: Principal) -> None:
    """Raise what keeps wakes from being written into a stream."""
    principal.require_read(session)
    wake_stream = await find_readable(log, session, principal)
    if wake_stream.stream is None or wake_stream.form != "json" or wake_stream.closed:
        raise Conflict("The wake stream must be a stream of application/json that is not closed; create it first.")
