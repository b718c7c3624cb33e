"""Webhooks of subscriptions: what is sent and where, failures, restarts, several gateways, and what is never sent."""

import asyncio
import json
import logging
import socket
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.subscriber import SECRET, Receiver, Subscriber, later, receiving

from stenogram.api.access.tokens import ANONYMOUS
from stenogram.api.durable_streams.subscriptions import webhook_sender
from stenogram.api.durable_streams.subscriptions.names import subscription_session
from stenogram.api.durable_streams.subscriptions.signing_keys import SigningKeys
from stenogram.api.durable_streams.subscriptions.webhook_rules import WebhookRules
from stenogram.api.durable_streams.subscriptions.webhook_sender import WebhookSender
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.domain.concepts.stream_subscriptions import CreateSubscription, Subscription
from stenogram.domain.errors import ConfigurationError
from stenogram.domain.ids import new_id
from stenogram.domain.model import Actor, Command

Start = Callable[..., Awaitable[Gateway]]
HERE = ("http://127.0.0.1:*",)


def new_key() -> str:
    """A private key in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that says that all is done."""
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway that may call this machine."""
    return await start(webhooks=HERE)


@pytest.fixture
def maya(http: aiohttp.ClientSession, gateway: Gateway) -> Subscriber:
    """Anybody, on an open gateway."""
    return Subscriber(http, gateway.url)


async def types_of(gateway: Gateway, name: str, participant: str = ANONYMOUS) -> list[str]:
    """What happened to a subscription."""
    log = (await gateway.tenants.of("")).log
    records = await log.read_session(subscription_session(participant, name), 0, 1_000)
    return [each.type.partition(".")[2] for each in records]


async def reasons_of(gateway: Gateway, name: str) -> list[str]:
    """Why its worker could not be told."""
    log = (await gateway.tenants.of("")).log
    records = await log.read_session(subscription_session(ANONYMOUS, name), 0, 1_000)
    return [json.loads(each.data)["data"]["reason"] for each in records if each.type == "stream_subscription.failed"]


def is_signed(said: dict[str, Any], jwks: Any) -> bool:
    """Whether a call is signed by one of these keys."""
    time, kid, signature = (each.partition("=")[2] for each in said["signature"].split(","))
    (key,) = [each for each in jwks["keys"] if each["kid"] == kid]
    public = Ed25519PublicKey.from_public_bytes(_decoded(key["x"]))
    try:
        public.verify(_decoded(signature), time.encode() + b"." + said["raw"])
    except InvalidSignature:
        return False
    return True


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_a_call_is_signed_and_says_what_is_to_be_read(maya: Subscriber, receiver: Receiver) -> None:
    shown = await maya.subscribe("s", webhook=f"{receiver.url}/a?key=1")
    await maya.done("PUT", "events/a", [1, 2])
    (said,) = await receiver.wait(1)
    jwks = await maya.done("GET", "__ds/jwks.json")
    assert is_signed(said, jwks)
    assert not is_signed({**said, "raw": said["raw"] + b" "}, jwks)
    assert shown["webhook"]["signing"]["jwks_url"] == f"{maya.url}/__ds/jwks.json"
    assert said["callback_url"] == f"{maya.url}/__ds/subscriptions/s/callback"
    (stream,) = said["streams"]
    assert await maya.done("GET", f"events/a?offset={stream['acked_offset']}") == [1, 2]
    await maya.until("s", lambda now: now["streams"][0]["acked_offset"] == stream["tail_offset"])


async def test_what_comes_during_a_call_comes_with_the_next(maya: Subscriber, receiver: Receiver) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def slowly(_: dict[str, Any]) -> web.StreamResponse:
        asked.set()
        await answer.wait()
        return web.json_response({"done": True})

    receiver.respond = slowly
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    await asked.wait()
    await maya.done("POST", "events/a", [2])
    answer.set()
    first, second = (await receiver.wait(2))[:2]
    assert (second["generation"], second["streams"][0]["acked_offset"]) == (2, first["streams"][0]["tail_offset"])


async def test_who_says_that_it_works_calls_back(maya: Subscriber, receiver: Receiver) -> None:
    receiver.respond = later
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    (said,) = await receiver.wait(1)
    wake = {"wake_id": said["wake_id"], "generation": said["generation"]}
    body = {**wake, "acks": [], "done": False}
    assert await maya.of("s", "callback", body, bearer=said["callback_token"]) == (
        200,
        {"ok": True, "next_wake": False},
    )
    acks = [{"stream": each["path"], "offset": each["tail_offset"]} for each in said["streams"]]
    body = {**wake, "acks": acks, "done": True}
    for bearer in ("", "x", said["callback_token"] + "x"):
        assert (await maya.of("s", "callback", body, bearer=bearer))[0] == 401
    assert (await maya.of("s", "callback", body, bearer=said["callback_token"]))[0] == 200
    status, again = await maya.of("s", "callback", body, bearer=said["callback_token"])
    assert (status, again["error"]["code"]) == (409, "FENCED")
    assert (await maya.of("s", "claim", {"worker": "w"}))[0] == 409


@pytest.mark.slow
@pytest.mark.thorough
async def test_one_that_fails_is_called_again_and_its_callback_is_fenced(
    maya: Subscriber, receiver: Receiver, gateway: Gateway
) -> None:
    async def failing(_: dict[str, Any]) -> web.StreamResponse:
        raise web.HTTPInternalServerError

    receiver.respond = failing
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    await receiver.wait(1)
    await maya.until("s", lambda said: said["status"] == "failed")
    first, second = (await receiver.wait(2))[:2]
    assert second["generation"] == first["generation"] + 1
    body = {"wake_id": first["wake_id"], "generation": first["generation"], "done": True}
    status, said = await maya.of("s", "callback", body, bearer=first["callback_token"])
    assert (status, said["error"]["code"]) == (409, "FENCED")
    receiver.respond = done_at_last
    await receiver.wait(3)
    await maya.until("s", lambda said: said["status"] == "active")
    assert set(await reasons_of(gateway, "s")) == {"answer"}


async def done_at_last(_: dict[str, Any]) -> web.StreamResponse:
    """All is done."""
    return web.json_response({"done": True})


@pytest.mark.slow
@pytest.mark.thorough
async def test_one_that_hangs_has_failed_and_what_it_answers_late_counts_for_nothing(
    maya: Subscriber, receiver: Receiver, gateway: Gateway
) -> None:
    async def hanging(said: dict[str, Any]) -> web.StreamResponse:
        if said["generation"] == 1:
            await receiver.wait(2)  # until it is called again
        return web.json_response({"done": said["generation"] == 1})

    receiver.respond = hanging
    await maya.subscribe("s", webhook=receiver.url, lease_ttl_ms=1_000)
    await maya.done("PUT", "events/a", [1])
    await receiver.wait(3)  # the second was told, and said nothing more
    assert (await reasons_of(gateway, "s"))[0] == "timeout"
    _, shown = await maya.of("s")
    assert "acked" not in await types_of(gateway, "s")
    assert shown["streams"][0]["acked_offset"] == receiver.received[0]["streams"][0]["acked_offset"]


async def test_a_redirect_is_not_followed(maya: Subscriber, receiver: Receiver, gateway: Gateway) -> None:
    async def elsewhere(_: dict[str, Any]) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(receiver.url.replace("/hook", "/elsewhere"))

    receiver.respond = elsewhere
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    await receiver.wait(2)
    assert set(receiver.paths) == {"/hook"}
    assert set(await reasons_of(gateway, "s")) == {"answer"}


async def test_what_is_answered_beyond_measure_is_not_read(maya: Subscriber, receiver: Receiver) -> None:
    async def at_length(_: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=json.dumps({"done": True}) + " " * 2**22, content_type="application/json")

    receiver.respond = at_length
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    (said,) = await receiver.wait(1)
    body = {"wake_id": said["wake_id"], "generation": said["generation"], "done": True}
    assert (await maya.of("s", "callback", body, bearer=said["callback_token"]))[0] == 200  # it still has the lease


@pytest.mark.parametrize("answer", [b"null", b"[]", b'"done"', b'{"done": 1}', b"{", b"\xff", b""])
async def test_an_answer_that_says_nothing_leaves_the_lease(
    maya: Subscriber, receiver: Receiver, answer: bytes
) -> None:
    async def strangely(_: dict[str, Any]) -> web.StreamResponse:
        return web.Response(body=answer)

    receiver.respond = strangely
    await maya.subscribe("s", webhook=receiver.url)
    await maya.done("PUT", "events/a", [1])
    (said,) = await receiver.wait(1)
    body = {"wake_id": said["wake_id"], "generation": said["generation"], "done": False}
    assert (await maya.of("s", "callback", body, bearer=said["callback_token"]))[0] == 200


class TestAddresses:
    """Where webhooks go, and where they do not."""

    async def test_nowhere_without_the_setting(self, start: Start, http: aiohttp.ClientSession) -> None:
        maya = Subscriber(http, (await start()).url)
        body = {"type": "webhook", "pattern": "**", "webhook": {"url": "https://worker.example.com/"}}
        status, said = await maya.ask("PUT", "__ds/subscriptions/s", body)
        assert (status, said["error"]["code"]) == (400, "WEBHOOK_URL_REJECTED")

    async def test_a_name_that_leads_to_this_machine_is_refused_when_it_is_called(
        self, start: Start, http: aiohttp.ClientSession, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        leads_to(monkeypatch, "worker.example.com", "127.0.0.1")
        gateway = await start(webhooks=("http://worker.example.com:*",))
        maya = Subscriber(http, gateway.url)
        await maya.subscribe("s", webhook=f"http://worker.example.com:{port}/hook")
        await maya.done("PUT", "events/a", [1])
        await maya.until("s", lambda said: said["status"] == "failed")
        assert set(await reasons_of(gateway, "s")) == {"refused"}
        assert not receiver.received

    async def test_a_network_can_be_allowed(
        self, start: Start, http: aiohttp.ClientSession, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        leads_to(monkeypatch, "worker.example.com", "127.0.0.1")
        gateway = await start(webhooks=("http://worker.example.com:*",), webhook_networks=("127.0.0.0/8",))
        maya = Subscriber(http, gateway.url)
        await maya.subscribe("s", webhook=f"http://worker.example.com:{port}/hook")
        await maya.done("PUT", "events/a", [1])
        await receiver.wait(1)

    async def test_no_proxy_of_the_environment_is_asked(
        self, maya: Subscriber, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "")
        await maya.subscribe("s", webhook=receiver.url)
        await maya.done("PUT", "events/a", [1])
        await receiver.wait(1)

    async def test_an_address_that_is_no_longer_allowed_is_not_called(
        self, http: aiohttp.ClientSession, tmp_path: Path, receiver: Receiver
    ) -> None:
        settings = Settings(log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1)
        async with running(settings.model_copy(update={"webhooks": HERE})) as gateway:
            await Subscriber(http, gateway.url).subscribe("s", webhook=receiver.url)
        async with running(settings) as gateway:
            maya = Subscriber(http, gateway.url)
            await maya.done("PUT", "events/a", [1])
            await maya.until("s", lambda said: said["status"] == "failed")
            assert set(await reasons_of(gateway, "s")) == {"refused"}
        assert not receiver.received

    async def test_where_nobody_listens_it_is_tried_again(self, maya: Subscriber, gateway: Gateway) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            await maya.subscribe("s", webhook=f"http://127.0.0.1:{closed.getsockname()[1]}/")
            await maya.done("PUT", "events/a", [1])
            await maya.until("s", lambda said: said["status"] == "failed")
        assert set(await reasons_of(gateway, "s")) == {"connection"}


def leads_to(monkeypatch: pytest.MonkeyPatch, name: str, address: str) -> None:
    """Have a name lead somewhere, as whoever has it can at any time."""
    resolve = aiohttp.ThreadedResolver.resolve

    async def resolved(resolver: Any, host: str, *more: Any) -> Any:
        return await resolve(resolver, address if host == name else host, *more)

    monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", resolved)


@pytest.mark.slow
async def test_a_wake_whose_gateway_ended_is_over_with_its_lease_and_there_is_another(
    http: aiohttp.ClientSession, tmp_path: Path, receiver: Receiver
) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def hanging(_: dict[str, Any]) -> web.StreamResponse:
        asked.set()
        await never.wait()
        return web.json_response({"done": True})

    receiver.respond = hanging
    settings = Settings(
        log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1, webhooks=HERE
    )
    async with running(settings) as gateway:
        maya = Subscriber(http, gateway.url)
        await maya.subscribe("s", webhook=receiver.url, lease_ttl_ms=1_000)
        await maya.done("PUT", "events/a", [1])
        await asked.wait()
    receiver.respond = done_at_last
    async with running(settings) as gateway:
        first, second = (await receiver.wait(2))[:2]
        assert second["generation"] == first["generation"] + 1
        tail = second["streams"][0]["tail_offset"]
        await Subscriber(http, gateway.url).until("s", lambda said: said["streams"][0]["acked_offset"] == tail)


@pytest.mark.postgres
@pytest.mark.slow
async def test_of_two_gateways_one_calls(
    http: aiohttp.ClientSession, start: Start, fresh_log: Callable[[], str], receiver: Receiver
) -> None:
    log = fresh_log()
    gateways = [await start(log=log, webhooks=HERE, webhook_keys=(KEY,)) for _ in range(2)]
    here, there = [Subscriber(http, each.url) for each in gateways]
    assert await here.done("GET", "__ds/jwks.json") == await there.done("GET", "__ds/jwks.json")
    await here.subscribe("s", webhook=receiver.url)
    tails = {}
    for turn in range(10):
        both = [each.done("PUT", f"events/{turn}-{n}", [n]) for n, each in enumerate((here, there))]
        await asyncio.gather(*both)

    def all_done(said: Any) -> bool:
        tails.update({each["path"]: each["acked_offset"] for each in said["streams"]})
        return len(tails) == 20 and all(int(each.partition("_")[0]) >= 3 for each in tails.values())

    await here.until("s", all_done)
    generations = [each["generation"] for each in receiver.received]
    assert sorted(generations) == sorted(set(generations))
    told = [(each["path"], each["tail_offset"]) for said in receiver.received for each in said["streams"]]
    assert len(told) == len(set(told)) == 20


async def test_whose_workers_hang_keeps_nobody_elses_waiting() -> None:
    sender = WebhookSender(WebhookRules(HERE, ()), SigningKeys(()))
    hanging, full, places = asyncio.Event(), asyncio.Event(), 0

    async def hang() -> None:
        nonlocal places
        async with sender.place(("", "eve")):
            places += 1
            if places == webhook_sender.AT_ONCE_EACH:
                full.set()
            await hanging.wait()

    calls = [asyncio.create_task(hang()) for _ in range(webhook_sender.AT_ONCE)]
    await full.wait()
    async with asyncio.timeout(30), sender.place(("", "ada")), sender.place(("other tenant", "eve")):
        await asyncio.sleep(0)
        assert places == webhook_sender.AT_ONCE_EACH
    hanging.set()
    await asyncio.gather(*calls)


KEY, PUBLIC = new_key(), "https://stenogram.example.com"


class TestRights:
    """Of what a webhook tells, and what nobody is told."""

    @pytest.fixture
    async def gateway(self, start: Start) -> Gateway:
        """A gateway that wants tokens."""
        return await start(
            webhooks=HERE, jwt_secret=SECRET, webhook_keys=(KEY,), public_url=PUBLIC, log="memory:", views=""
        )

    async def test_it_tells_only_of_what_its_participant_may_read(
        self, http: aiohttp.ClientSession, gateway: Gateway, receiver: Receiver
    ) -> None:
        ada = Subscriber(http, gateway.url, sub="ada")
        eve = Subscriber(http, gateway.url, sub="eve", scopes=["read:events:mine*", "write:*"])
        await eve.subscribe("s", webhook=receiver.url)
        await ada.done("PUT", "events/other", [1])
        await ada.done("PUT", "events/mine", [1])
        (said,) = await receiver.wait(1)
        assert [each["path"] for each in said["streams"]] == ["events/mine"]

    async def test_after_its_token_has_expired_it_tells_of_nothing(
        self, http: aiohttp.ClientSession, gateway: Gateway, receiver: Receiver
    ) -> None:
        ada = Subscriber(http, gateway.url, sub="ada")
        for name in ("gone", "good"):
            await ada.subscribe(name, webhook=f"{receiver.url}/{name}")
        log, session = (await gateway.tenants.of("")).log, subscription_session("ada", "gone")
        found = (await log.state(session)).stream_subscriptions.current(session)
        assert isinstance(found, Subscription)
        grant = found.grant.model_copy(update={"expires": 1.0})
        data = CreateSubscription(name="gone", config=found.config, grant=grant, base=found.base)
        await log.submit(Command(new_id(), session, Actor("ada", "user"), log.clock.now(), data))
        for turn in range(3):
            await ada.done("PUT", f"events/{turn}", [1])
            await receiver.wait(turn + 1)
        assert set(receiver.paths) == {"/hook/good"}

    async def test_its_secrets_are_nowhere(
        self, http: aiohttp.ClientSession, gateway: Gateway, receiver: Receiver, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        ada = Subscriber(http, gateway.url, sub="ada", scopes=["read:*", "write:*", "audit:*"])
        receiver.respond = later
        shown = await ada.subscribe("s", webhook=receiver.url)
        await ada.done("PUT", "events/a", [1])
        (said,) = await receiver.wait(1)
        body = {"wake_id": said["wake_id"], "generation": said["generation"], "done": True}
        problem = await ada.of("s", "callback", {**body, "generation": 7}, bearer=said["callback_token"])
        assert (await ada.of("s", "callback", body, bearer=said["callback_token"]))[0] == 200
        log = (await gateway.tenants.of("")).log
        events = b"".join([each.data for each in await log.engine.read_log(0, 1_000)])
        async with http.get(f"{gateway.url}/v1/views/timeline?token={ada.headers['Authorization'][7:]}") as response:
            views = await response.text()
        told = "\n".join([events.decode(), views, caplog.text, json.dumps(shown), json.dumps(problem)])
        for secret in (said["callback_token"], *KEY.splitlines()[1:-1], SECRET):
            assert secret not in told
        assert "PRIVATE KEY" not in told


def test_webhooks_of_others_than_this_machine_need_keys_and_an_address() -> None:
    with pytest.raises(ConfigurationError, match="STENOGRAM_WEBHOOK_KEYS"):
        Settings(jwt_secret=SECRET, webhooks=HERE, public_url=PUBLIC).check()
    with pytest.raises(ConfigurationError, match="STENOGRAM_PUBLIC_URL"):  # or a client would name it by its Host
        Settings(jwt_secret=SECRET, webhooks=HERE, webhook_keys=(KEY,)).check()
    Settings(jwt_secret=SECRET, webhooks=HERE, webhook_keys=(KEY,), public_url=PUBLIC).check()


async def test_keys_that_were_are_still_published(http: aiohttp.ClientSession, start: Start) -> None:
    old, new = new_key(), new_key()
    before, after = [
        await Subscriber(http, (await start(log="memory:", webhook_keys=keys)).url).done("GET", "__ds/jwks.json")
        for keys in ((old,), (new, old))
    ]
    assert before["keys"][0] in after["keys"]
    assert before["keys"][0] != after["keys"][0]
    assert not [each for each in after["keys"] if "d" in each]


async def test_what_clients_call_the_gateway_can_be_said(
    http: aiohttp.ClientSession, start: Start, receiver: Receiver
) -> None:
    maya = Subscriber(http, (await start(webhooks=HERE, public_url="https://stenogram.example.com/")).url)
    shown = await maya.subscribe("s", webhook=receiver.url)
    jwks = "https://stenogram.example.com/v1/stream/__ds/jwks.json"
    assert shown["webhook"]["signing"]["jwks_url"] == jwks
