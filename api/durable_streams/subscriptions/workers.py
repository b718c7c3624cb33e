"""Tells workers that there is work: by a webhook, or by a message in the wake stream."""

import logging
import random
from collections import Counter
from datetime import datetime
from typing import Any

import orjson
from pydantic import JsonValue

from ....domain.concepts.stream_subscriptions import (
    AckWork,
    FailDelivery,
    Failure,
    Link,
    Subscription,
    SubscriptionCommand,
    Wake,
)
from ....domain.concepts.streams import AppendToStream, Content
from ....domain.errors import Refused, StenogramError
from ....domain.ids import SessionId, new_id
from ....domain.model import TIMEKEEPER, Actor, Command, CommandData, timer_id
from ....log.log import Log
from .lease_tokens import Lease, LeaseTokens
from .linked_streams import LinkedStream, granted, readable_for
from .names import SUBSCRIPTIONS, path_of
from .webhook_sender import Delivered, WebhookSender

_logger = logging.getLogger(__name__)


class Workers:
    """Those of one tenant; `deliveries` counts what became of wakes."""

    def __init__(
        self, log: Log, tenant: str, sender: WebhookSender, tokens: LeaseTokens, deliveries: Counter[str]
    ) -> None:
        self._log = log
        self._tenant = tenant
        self._sender = sender
        self._tokens = tokens
        self._deliveries = deliveries

    async def announce(self, found: Subscription, wake: Wake) -> None:
        """Write into the wake stream that there is work: once, whichever gateways try, however often."""
        stream = found.config.wake_stream
        assert stream is not None
        event: dict[str, JsonValue] = {
            "type": "wake",
            "subscription_id": found.name,
            "stream": path_of(wake.streams[0][0]),
            "generation": found.generation,
            "ts": int(wake.woken.timestamp() * 1_000),
        }
        data = AppendToStream(content=Content(messages=(event,)), content_type="application/json")
        actor = Actor(found.participant, found.grant.kind)
        id = timer_id("stream_wake", found.session, found.generation)
        try:
            result = await self._log.submit(Command(id, stream, actor, self._log.clock.now(), data))
        except Refused as refusal:
            _logger.info("a wake stream takes nothing: %s", refusal.code)
            await self._fail(found, wake, "wake_stream")
        else:
            if not result.repeated:
                self._deliveries["announced"] += 1

    async def call(self, woken: Subscription, generation: int) -> None:
        """Send the webhook of a wake, and put on record what became of it. Does nothing where the wake is over."""
        try:
            async with self._sender.place((self._tenant, woken.participant)):
                state = await self._log.state(woken.session)
                found = state.stream_subscriptions.current(woken.session)
                now = self._log.clock.now()
                if found is None or found.wake is None or found.generation != generation or not found.is_granted(now):
                    return
                await self._call(found, found.wake, now)
        except Refused:  # the worker, or another gateway, was quicker
            return
        except StenogramError as error:
            _logger.info("what became of a webhook could not be recorded: %s", error)

    async def _call(self, found: Subscription, wake: Wake, now: datetime) -> None:
        assert found.config.webhook is not None
        assert wake.until is not None
        body = await self._body(found, wake)
        if body is None:
            return
        outcome: Delivered = await self._sender.send(found.config.webhook, body, (wake.until - now).total_seconds())
        self._deliveries[outcome.failure or "delivered"] += 1
        if outcome.failure is not None:
            await self._fail(found, wake, outcome.failure)
        elif outcome.done:
            await self._submit(found, AckWork(generation=found.generation, wake=wake.id, snapshot=True, done=True))

    async def _body(self, found: Subscription, wake: Wake) -> bytes | None:
        """What a webhook says; None where nothing of it may be told any longer."""
        streams, told = list[dict[str, Any]](), (granted(found, self._tenant),)
        for session, place in wake.streams:
            link = found.links.get(session)
            if link is not None and await readable_for(self._log, session, told) is not None:
                streams.append(_as_woken(session, link, place).json(self._log.epoch))
        if not streams:
            return None
        lease = Lease(self._tenant, found.session, found.generation, wake.id)
        return orjson.dumps(
            {
                "subscription_id": found.name,
                "wake_id": wake.id,
                "generation": found.generation,
                "streams": streams,
                "callback_url": f"{found.base}{SUBSCRIPTIONS}{found.name}/callback",
                "callback_token": self._tokens.make(lease),
            }
        )

    async def _fail(self, found: Subscription, wake: Wake, reason: Failure) -> None:
        jitter = random.uniform(-1, 1)
        await self._submit(
            found, FailDelivery(generation=found.generation, wake=wake.id, reason=reason, jitter=jitter), TIMEKEEPER
        )

    async def _submit(self, found: Subscription, data: SubscriptionCommand, actor: Actor | None = None) -> None:
        await submit(self._log, found, data, actor or Actor(found.participant, found.grant.kind))


async def submit(log: Log, found: Subscription, data: CommandData, actor: Actor) -> None:
    """Have a command about a subscription carried out."""
    # What a worker says takes its turn with all else that the participant does; who wakes them waits for none of that.
    sender = None if actor == TIMEKEEPER else found.participant
    await log.submit(Command(new_id(), found.session, actor, log.clock.now(), data), sender=sender)


def _as_woken(session: SessionId, link: Link, place: int) -> LinkedStream:
    return LinkedStream(session, link.explicit, min(link.acked, place), place)
