"""Subscriptions of streams whose workers claim the work: leases, fences, restarts, several gateways, and who may."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.subscriber import SECRET, Subscriber, token_of
from support.wire import Wire

from stenogram.api.access.tokens import ANONYMOUS
from stenogram.api.durable_streams.readable import find_readable
from stenogram.api.durable_streams.subscriptions import keeper, linked_streams
from stenogram.api.durable_streams.subscriptions.names import PREFIX, subscription_session
from stenogram.api.durable_streams.subscriptions.workers import Workers
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS
from stenogram.domain.concepts.stream_subscriptions import CreateSubscription, Subscription, rules
from stenogram.domain.errors import NotReady
from stenogram.domain.ids import new_id
from stenogram.domain.model import Actor, Command

Start = Callable[..., Awaitable[Gateway]]


async def state_of(gateway: Gateway, name: str, participant: str = ANONYMOUS) -> Subscription:
    """A subscription as the log has it."""
    session = subscription_session(participant, name)
    found = (await (await gateway.tenants.of("")).log.state(session)).stream_subscriptions.current(session)
    assert found is not None
    return found


async def expire(gateway: Gateway, name: str) -> None:
    """Have the token expire by which Ada made a subscription."""
    log, found = (await gateway.tenants.of("")).log, await state_of(gateway, name, "ada")
    grant = found.grant.model_copy(update={"expires": 1.0})
    data = CreateSubscription(name=name, config=found.config, grant=grant, base=found.base)
    await log.submit(Command(new_id(), found.session, Actor("ada", "user"), log.clock.now(), data))


async def until_woken(gateway: Gateway, name: str, generation: int) -> None:
    """Wait until a subscription has come to a wake."""
    log = (await gateway.tenants.of("")).log
    async with asyncio.timeout(30):
        while True:
            news = log.hub.news(subscription_session(ANONYMOUS, name))
            if (await state_of(gateway, name)).generation >= generation:
                return
            await news.wait()


@pytest.fixture
def maya(http: aiohttp.ClientSession, gateway: Gateway) -> Subscriber:
    """Anybody, on an open gateway."""
    return Subscriber(http, gateway.url)


async def test_work_is_claimed_done_and_comes_again_with_what_is_new(maya: Subscriber) -> None:
    await maya.done("PUT", "events/old", [1])
    shown = await maya.subscribe("s", description="prices")
    assert [each["path"] for each in shown["streams"]] == ["events/old"]
    assert (shown["status"], shown["description"], shown["webhook"]) == ("active", "prices", None)
    await maya.done("PUT", "events/new", [1, 2])
    (wake,) = await maya.wakes("s", 1)
    assert (wake["type"], wake["stream"], wake["generation"]) == ("wake", "events/new", 1)
    claimed = await maya.claim("s")
    assert [(each["path"], each["link_type"]) for each in claimed["streams"]] == [("events/new", "glob")]
    begin = claimed["streams"][0]["acked_offset"]
    assert await maya.done("GET", f"events/new?offset={begin}") == [1, 2]
    await maya.done("POST", "events/old", [2])
    assert await maya.ack("s", claimed) == (200, {"ok": True, "next_wake": True})
    assert [each["generation"] for each in await maya.wakes("s", 2)] == [1, 2]
    again = await maya.claim("s")
    assert [each["path"] for each in again["streams"]] == ["events/old"]
    assert await maya.done("GET", f"events/old?offset={again['streams'][0]['acked_offset']}") == [2]
    assert await maya.ack("s", again) == (200, {"ok": True, "next_wake": False})
    status, said = await maya.of("s", "claim", {"worker": "w"})
    assert (status, said["error"]["code"]) == (409, "NO_PENDING_WORK")


async def test_the_events_of_a_session_are_work_too(maya: Subscriber, connect: Any) -> None:
    await maya.subscribe("s", pattern="trip-*")
    wire = await connect("maya", "user")
    await wire.command("trip-7", "session.open", {"title": "Trip"})
    claimed = await maya.claim("s")
    assert [each["path"] for each in claimed["streams"]] == ["trip-7"]
    read = await maya.done("GET", f"trip-7?offset={claimed['streams'][0]['acked_offset']}")
    assert [each["type"] for each in read] == ["session.opened"]


async def test_a_worker_whose_lease_is_over_is_fenced(maya: Subscriber) -> None:
    await maya.subscribe("s", lease_ttl_ms=1_000)
    await maya.done("PUT", "events/a", [1])
    await maya.wakes("s", 1)
    first = await maya.claim("s", "first")
    await maya.wakes("s", 2)  # the lease is over, and there is still work
    second = await maya.claim("s", "second")
    assert second["generation"] > first["generation"]
    wake = {"wake_id": first["wake_id"], "generation": first["generation"]}
    assert (await maya.ack("s", first))[1]["error"]["code"] == "FENCED"
    assert (await maya.of("s", "release", wake, bearer=first["token"]))[1]["error"]["code"] == "FENCED"
    # Nor does its token do for another wake.
    taken = {"wake_id": second["wake_id"], "generation": second["generation"]}
    assert (await maya.of("s", "release", taken, bearer=first["token"]))[0] == 409


async def test_a_heartbeat_keeps_the_lease_and_a_release_gives_it_back(maya: Subscriber, gateway: Gateway) -> None:
    await maya.subscribe("s")
    await maya.done("PUT", "events/a", [1])
    await maya.wakes("s", 1)
    claimed = await maya.claim("s", "first")
    before = (await state_of(gateway, "s")).wake
    assert await maya.ack("s", {**claimed, "streams": []}, done=False) == (200, {"ok": True, "next_wake": False})
    after = (await state_of(gateway, "s")).wake
    assert before is not None
    assert before.until is not None
    assert after is not None
    assert after.until is not None
    assert after.until > before.until
    status, said = await maya.of("s", "claim", {"worker": "second"})
    assert (status, said["error"]["current_holder"]) == (409, "first")
    wake = {"wake_id": claimed["wake_id"], "generation": claimed["generation"]}
    assert (await maya.of("s", "release", wake, bearer=claimed["token"]))[0] == 204
    assert len(await maya.wakes("s", 2)) == 2
    assert (await maya.claim("s", "second"))["streams"] == claimed["streams"]


async def test_a_deleted_subscription_fences_and_one_of_its_name_begins_anew(maya: Subscriber) -> None:
    await maya.subscribe("s")
    await maya.done("PUT", "events/a", [1])
    claimed = await maya.claim("s")
    assert (await maya.ask("DELETE", "__ds/subscriptions/s"))[0] == 204
    assert (await maya.ack("s", claimed))[0] == 404
    assert (await maya.of("s"))[0] == 404
    shown = await maya.subscribe("s")
    assert [each["path"] for each in shown["streams"]] == ["events/a"]
    assert (await maya.ack("s", claimed))[1]["error"]["code"] == "FENCED"
    await maya.done("POST", "events/a", [2])
    assert (await maya.claim("s"))["generation"] > claimed["generation"]


async def test_streams_are_named_and_taken_back(maya: Subscriber) -> None:
    await maya.done("PUT", "manual/b", [1])
    await maya.subscribe("s", pattern=None, streams=["manual/a"])
    streams = "__ds/subscriptions/s/streams"
    await maya.done("POST", streams, {"streams": ["manual/b", "events/x"]})
    await maya.done("POST", streams, {"streams": ["manual/b"]})
    assert (await maya.ask("DELETE", f"{streams}/events%2Fx"))[0] == 204
    assert (await maya.ask("DELETE", f"{streams}/events/x"))[0] == 204
    _, shown = await maya.of("s")
    assert [(each["path"], each["link_type"]) for each in shown["streams"]] == [
        *(("manual/a", "explicit"), ("manual/b", "explicit"))
    ]
    await maya.done("PUT", "manual/a", [1])
    assert [each["path"] for each in (await maya.claim("s"))["streams"]] == ["manual/a"]


async def test_all_goes_on_after_a_restart(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    settings = Settings(log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1)
    async with running(settings) as gateway:
        maya = Subscriber(http, gateway.url)
        await maya.subscribe("s")
        for name in ("a", "b"):
            await maya.done("PUT", f"events/{name}", [1])
        await maya.wakes("s", 1)
        claimed = await maya.claim("s")
    async with running(settings) as gateway:
        maya = Subscriber(http, gateway.url)
        status, said = await maya.of("s", "claim", {"worker": "second"})
        assert (status, said["error"]["code"]) == (409, "ALREADY_CLAIMED")
        await maya.done("POST", "events/b", [2])
        status, said = await maya.ack("s", claimed)
        assert (status, said["next_wake"]) == (200, True)
        await maya.wakes("s", 2)
        again = await maya.claim("s")
        assert "events/b" in [each["path"] for each in again["streams"]]
        assert await maya.ack("s", again) == (200, {"ok": True, "next_wake": False})


async def test_a_wake_that_a_gateway_did_not_come_to_announce_is_announced_by_the_next(
    http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1)

    async def died(*_: object) -> None:
        return

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "announce", died)
        async with running(settings) as gateway:
            maya = Subscriber(http, gateway.url)
            await maya.subscribe("s")
            await maya.done("PUT", "events/a", [1])
            await until_woken(gateway, "s", 1)
    async with running(settings) as gateway:
        assert len(await Subscriber(http, gateway.url).wakes("s", 1)) == 1


async def test_a_stream_that_came_while_no_gateway_kept_subscriptions_is_found(
    http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    settings = Settings(log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1)
    async with running(settings) as gateway:
        await Subscriber(http, gateway.url).subscribe("s")
    async with running(settings.model_copy(update={"durable_streams_subscriptions": 0})) as gateway:
        maya = Subscriber(http, gateway.url)
        await maya.done("PUT", "events/a", [1])
        assert (await maya.of("s"))[0] == 400
    async with running(settings) as gateway:
        claimed = await Subscriber(http, gateway.url).claim("s")
        assert [each["path"] for each in claimed["streams"]] == ["events/a"]


@pytest.mark.postgres
@pytest.mark.slow
async def test_two_gateways_wake_once_and_give_the_work_to_one(
    http: aiohttp.ClientSession, start: Start, fresh_log: Callable[[], str]
) -> None:
    log = fresh_log()
    here, there = [Subscriber(http, (await start(log=log)).url) for _ in range(2)]
    await here.subscribe("s")
    for turn in range(1, 6):
        appends = [each.done("PUT", f"events/{turn}-{n}", [n]) for n, each in enumerate((here, there) * 3)]
        await asyncio.gather(*appends)
        await there.wakes("s", turn)
        claims = [each.of("s", "claim", {"worker": str(n)}) for n, each in enumerate((here, there) * 3)]
        won = [said for status, said in await asyncio.gather(*claims) if status == 200]
        assert len(won) == 1
        assert won[0]["generation"] == turn
        # What is acked at one gateway was claimed at either, and nothing is left that was not told.
        status, said = await there.ack("s", won[0])
        assert status == 200
        while said["next_wake"]:  # a stream had not come to the gateway that was asked
            await here.wakes("s", turn)
            break
        assert not said["next_wake"]
    generations = [each["generation"] for each in await here.wakes("s", 5)]
    assert generations == [1, 2, 3, 4, 5]


async def test_one_that_was_not_read_at_once_is_read_later(
    maya: Subscriber, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh, failed = keeper.SubscriptionKeeper._refresh, list[str]()

    async def fail_once(self: Any, session: Any) -> None:
        if not failed:
            failed.append(session)
            raise NotReady("The storage is away.")
        await refresh(self, session)

    monkeypatch.setattr(keeper.SubscriptionKeeper, "_refresh", fail_once)
    await maya.subscribe("s")
    await maya.done("PUT", "events/a", [1])
    assert len(await maya.wakes("s", 1)) == 1
    assert failed


async def test_a_fault_in_one_keeps_no_other_from_its_work(
    maya: Subscriber, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    announce = Workers.announce

    async def fail(self: Workers, found: Subscription, wake: Any) -> None:
        if found.name == "bad":
            raise RuntimeError("of ours")
        await announce(self, found, wake)

    monkeypatch.setattr(Workers, "announce", fail)
    for name in ("bad", "good"):
        await maya.subscribe(name)
    await maya.done("PUT", "events/a", [1])
    assert len(await maya.wakes("good", 1)) == 1
    monkeypatch.setattr(Workers, "announce", announce)
    assert len(await maya.wakes("bad", 1)) == 1
    caplog.clear()


class TestRights:
    """Who may have, see and change a subscription, and of what it tells."""

    @pytest.fixture
    async def keyed(self, start: Start) -> Gateway:
        """A gateway that wants tokens."""
        return await start(jwt_secret=SECRET)

    async def test_others_neither_see_nor_change_it(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        ada, eve = (Subscriber(http, keyed.url, sub=sub) for sub in ("ada", "eve"))
        await ada.subscribe("s")
        await ada.done("PUT", "events/a", [1])
        await ada.wakes("s", 1)
        for method, path in (("GET", ""), ("DELETE", ""), ("DELETE", "/streams/events/a")):
            assert (await eve.ask(method, f"__ds/subscriptions/s{path}"))[0] == 404
        assert (await eve.of("s", "claim", {"worker": "w"}))[0] == 404
        assert (await eve.of("s", "streams", {"streams": ["x"]}))[0] == 404
        claimed = await ada.claim("s")
        for what in ("ack", "callback", "release"):
            wake = {"wake_id": claimed["wake_id"], "generation": claimed["generation"]}
            for bearer in ("", "x", token_of(sub="eve"), token_of(sub="ada")):
                assert (await eve.of("s", what, wake, bearer=bearer))[0] == 401
        # Her own one of that name is another one.
        shown = await eve.subscribe("s", wake_stream="eves")
        assert shown["wake_stream"] == "eves"
        assert (await ada.of("s"))[1]["wake_stream"] == "wakes"
        assert (await ada.ack("s", claimed))[0] == 200

    async def test_a_token_of_a_lease_is_no_token_of_a_participant(
        self, keyed: Gateway, http: aiohttp.ClientSession
    ) -> None:
        ada = Subscriber(http, keyed.url, sub="ada")
        await ada.subscribe("s")
        await ada.done("PUT", "events/a", [1])
        claimed = await ada.claim("s")
        assert (await ada.ask("GET", "events/a", bearer=claimed["token"]))[0] == 401

    async def test_nobody_does_anything_else_in_its_session(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        ada = Subscriber(http, keyed.url, sub="ada")
        await ada.subscribe("s")
        session = subscription_session("ada", "s")
        eve = await Wire.open(http, keyed.url, token=token_of(sub="eve"))
        for do, data in (("session.close", {}), ("message.post", {"message": "m", "text": "."})):
            assert (await eve.command(session, do, data))["error"]["code"] == "conflict"
        seen = await http.get(
            f"{keyed.url}/v1/sessions/{session}/events", headers={"Authorization": f"Bearer {token_of(sub='eve')}"}
        )
        assert [each["type"] for each in (await seen.json())["events"]] == ["session.opened"]

    async def test_its_session_is_not_forked(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        await Subscriber(http, keyed.url, sub="ada").subscribe("s")
        eve = await Wire.open(http, keyed.url, token=token_of(sub="eve"))
        refused = await eve.command(f"{PREFIX}fork", "session.fork", {"origin": subscription_session("ada", "s")})
        assert refused["error"]["code"] == "conflict"

    async def test_it_tells_only_of_what_may_be_read(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        ada = Subscriber(http, keyed.url, sub="ada")
        scopes = ["read:events:mine*", "read:wakes", "write:*"]
        eve = Subscriber(http, keyed.url, sub="eve", scopes=scopes)
        await ada.done("PUT", "events/other", [1])
        shown = await eve.subscribe("s")
        assert shown["streams"] == []
        assert (await eve.of("s", "streams", {"streams": ["events/other"]}))[0] == 403
        refused = {"type": "pull-wake", "wake_stream": "wakes", "streams": ["events/other"]}
        assert (await eve.ask("PUT", "__ds/subscriptions/t", refused))[0] == 403
        wire = await Wire.open(http, keyed.url, token=token_of(sub="ada"))
        hidden = {"content_type": "application/json", "audience": ["ada"], "content": {"messages": [1]}}
        assert (await wire.command("events:mine-hidden", "stream.create", hidden))["frame"] == "ack"
        await ada.done("POST", "events/other", [2])
        await ada.done("PUT", "events/mine", [1])
        (wake,) = await eve.wakes("s", 1)
        assert wake["stream"] == "events/mine"
        assert [each["path"] for each in (await eve.claim("s"))["streams"]] == ["events/mine"]
        assert list((await state_of(keyed, "s", "eve")).links) == ["events:mine"]

    async def test_less_may_be_read_by_another_token(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        wide = Subscriber(http, keyed.url, sub="eve")
        narrow = Subscriber(http, keyed.url, sub="eve", scopes=["read:wakes", "read:events:b", "write:*"])
        await wide.subscribe("s")
        await wide.done("PUT", "events/a", [1])
        await wide.wakes("s", 1)
        assert (await narrow.of("s"))[1]["streams"] == []
        claimed = await narrow.claim("s")
        assert claimed["streams"] == []
        assert (await narrow.subscribe("s"))["streams"] == []  # what it tells of is that from now on
        assert await narrow.ack("s", claimed) == (200, {"ok": True, "next_wake": False})
        await wide.done("POST", "events/a", [2])
        await wide.done("PUT", "events/b", [1])
        assert (await wide.wakes("s", 2))[-1]["stream"] == "events/b"
        assert [each["path"] for each in (await wide.claim("s"))["streams"]] == ["events/b"]

    async def test_a_token_that_has_expired_wakes_nobody_until_it_is_confirmed(
        self, keyed: Gateway, http: aiohttp.ClientSession
    ) -> None:
        ada = Subscriber(http, keyed.url, sub="ada")
        for name in ("gone", "good"):
            await ada.subscribe(name)
        await expire(keyed, "gone")
        assert (await ada.of("gone"))[1]["status"] == "failed"
        await ada.done("PUT", "events/a", [1])
        await ada.wakes("good", 1)
        assert (await state_of(keyed, "gone", "ada")).generation == 0
        assert (await ada.of("gone", "claim", {"worker": "w"}))[0] == 409
        assert (await ada.subscribe("gone"))["status"] == "active"
        assert [each["path"] for each in (await ada.claim("gone"))["streams"]] == ["events/a"]

    async def test_it_takes_rights_to_its_session_and_to_the_wake_stream(
        self, keyed: Gateway, http: aiohttp.ClientSession
    ) -> None:
        await Subscriber(http, keyed.url, sub="ada").done("PUT", "wakes", [])
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "**"}
        for scopes, status in (
            (["read:*"], 403),
            (["read:*", "session:*"], 403),
            (["read:*", f"session:{PREFIX}*", "speak:wakes"], 201),
        ):
            some = Subscriber(http, keyed.url, sub="eve", scopes=scopes)
            assert (await some.ask("PUT", "__ds/subscriptions/s", body))[0] == status
        eve = Subscriber(http, keyed.url, sub="eve", scopes=["read:*"])
        assert (await eve.of("s", "claim", {"worker": "w"}))[0] == 403

    async def test_who_may_not_write_into_the_wake_stream_does_not_confirm_it(
        self, keyed: Gateway, http: aiohttp.ClientSession
    ) -> None:
        await Subscriber(http, keyed.url, sub="eve").subscribe("s", pattern="**")
        less = Subscriber(http, keyed.url, sub="eve", scopes=["read:*", f"session:{PREFIX}*"])
        body = {"type": "pull-wake", "pattern": "**", "wake_stream": "wakes", "lease_ttl_ms": 600_000}
        assert (await less.ask("PUT", "__ds/subscriptions/s", body))[0] == 403

    async def test_a_lease_that_outlives_the_token_tells_of_no_ends(
        self, keyed: Gateway, http: aiohttp.ClientSession
    ) -> None:
        ada = Subscriber(http, keyed.url, sub="ada")
        await ada.subscribe("s")
        await ada.done("PUT", "events/a", [1])
        claimed = await ada.claim("s")
        await expire(keyed, "s")
        wake = {"wake_id": claimed["wake_id"], "generation": claimed["generation"]}
        for offset in ("99999", "now"):  # wherever the stream ends by now
            await ada.done("POST", "events/a", [2])
            body = {**wake, "acks": [{"stream": "events/a", "offset": offset}]}
            assert (await ada.of("s", "ack", body, bearer=claimed["token"]))[0] == 200
        told = int(claimed["streams"][0]["tail_offset"].partition("_")[0])
        assert (await state_of(keyed, "s", "ada")).links["events:a"].acked == told

    async def test_tenants_have_subscriptions_of_their_own(self, keyed: Gateway, http: aiohttp.ClientSession) -> None:
        red, blue = (Subscriber(http, keyed.url, sub="ada", tenant=tenant) for tenant in ("red", "blue"))
        await red.subscribe("s")
        await blue.done("PUT", "events/a", [1])
        assert (await blue.of("s"))[0] == 404
        await red.done("PUT", "events/b", [1])
        claimed = await red.claim("s")
        assert [each["path"] for each in claimed["streams"]] == ["events/b"]
        assert (await blue.ack("s", claimed)) == (200, {"ok": True, "next_wake": False})  # whose the token is counts

    async def test_a_gateway_with_a_public_key_alone_has_none(self, start: Start, http: aiohttp.ClientSession) -> None:
        key = Ed25519PrivateKey.generate()
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        gateway = await start(jwt_public_key=pem)
        token = jwt.encode({"sub": "ada", "exp": time.time() + 600}, key, "EdDSA")
        ada = Subscriber(http, gateway.url)
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "**"}
        status, said = await ada.ask("PUT", "__ds/subscriptions/s", body, bearer=token)
        assert (status, said["code"]) == (503, "not_ready")
        assert (await ada.of("s", "ack", {"wake_id": "w", "generation": 1}, bearer=token))[0] == 401


class TestBounds:
    """What is refused, and what there is at most."""

    async def test_what_is_no_subscription_is_refused(self, maya: Subscriber) -> None:
        await maya.done("PUT", "wakes", [])
        assert (await maya.ask("PUT", "text", b"x"))[0] == 400
        good = {"type": "pull-wake", "pattern": "a/*", "wake_stream": "wakes"}
        for wrong in (
            {"type": "push"},
            {"pattern": None},
            {"pattern": "/a"},
            {"pattern": "a//b"},
            {"pattern": "x" * 161},
            {"pattern": "a?"},
            {"streams": ["wakes"]},
            {"streams": [f"{PREFIX}x"]},
            {"streams": ["__ds/subscriptions/x"]},
            {"streams": ["a"] * 1_001},
            {"wake_stream": None},
            {"webhook": {"url": "http://127.0.0.1/"}},
            {"lease_ttl_ms": 999},
            {"lease_ttl_ms": 600_001},
            {"lease_ttl_ms": 1_000.5},
            {"lease_ttl_ms": True},
            {"description": 7},
            {"colour": "red"},
        ):
            status, said = await maya.ask("PUT", "__ds/subscriptions/s", {**good, **wrong})
            assert (status, said["code"]) == (400, "invalid"), wrong
        for body in (b"", b"[]", b"null", b"{", b"[" * 100_000, b'{"type": "\\ud800"}'):
            assert (await maya.ask("PUT", "__ds/subscriptions/s", body))[0] == 400
        assert (await maya.ask("PUT", "__ds/subscriptions/s", b" " * 300_000))[0] == 413
        assert (await maya.ask("PUT", f"__ds/subscriptions/{'x' * 129}", good))[0] == 400
        assert (await maya.ask("PUT", "__ds/subscriptions/s", {**good, "wake_stream": "none"}))[0] == 404
        for method, path in (("GET", "__ds"), ("PUT", "__ds/x"), ("PATCH", "__ds/subscriptions/s")):
            assert (await maya.ask(method, path, [1]))[0] in (400, 404, 405)

    async def test_another_one_of_its_name_is_a_conflict(self, maya: Subscriber) -> None:
        await maya.subscribe("s")
        await maya.subscribe("s")
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "events/**"}
        assert (await maya.ask("PUT", "__ds/subscriptions/s", body))[0] == 409

    async def test_acks_are_of_its_streams_and_not_beyond_their_ends(self, maya: Subscriber) -> None:
        await maya.subscribe("s")
        await maya.done("PUT", "other", [1])
        await maya.done("PUT", "events/a", [1])
        claimed = await maya.claim("s")
        wake = {"wake_id": claimed["wake_id"], "generation": claimed["generation"]}
        for stream, offset in (("other", "now"), ("events/a", "99999"), ("events/a", "x"), ("events/none", "0")):
            body = {**wake, "acks": [{"stream": stream, "offset": offset}]}
            assert (await maya.of("s", "ack", body, bearer=claimed["token"]))[0] == 400
        body = {**wake, "acks": [{"stream": "events/a", "offset": "-1"}], "done": True}
        assert await maya.of("s", "ack", body, bearer=claimed["token"]) == (200, {"ok": True, "next_wake": True})

    async def test_there_are_so_many(self, http: aiohttp.ClientSession, start: Start) -> None:
        maya = Subscriber(http, (await start(durable_streams_subscriptions=2)).url)
        for name in ("a", "b"):
            await maya.subscribe(name)
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "**"}
        assert (await maya.ask("PUT", "__ds/subscriptions/c", body))[0] == 409
        await maya.subscribe("a")
        await maya.done("DELETE", "__ds/subscriptions/a")
        assert (await maya.ask("PUT", "__ds/subscriptions/c", body))[0] == 201

    async def test_there_are_no_more_where_many_are_made_at_once(
        self, http: aiohttp.ClientSession, start: Start
    ) -> None:
        maya = Subscriber(http, (await start(durable_streams_subscriptions=3)).url)
        await maya.done("PUT", "wakes", [])
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "**"}
        made = await asyncio.gather(*[maya.ask("PUT", f"__ds/subscriptions/{n}", body) for n in range(30)])
        assert sorted(status for status, _ in made) == [201] * 3 + [409] * 27

    async def test_a_pattern_that_is_too_wide_is_refused_before_all_that_it_matches_is_read(
        self, maya: Subscriber, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await maya.done("PUT", "wakes", [])
        for turn in range(20):
            await maya.done("PUT", f"events/{turn}", [1])
        monkeypatch.setattr(rules, "MAX_STREAMS", 2)
        looked = list[str]()

        async def find(log: Any, session: Any, principal: Any) -> Any:
            looked.append(session)
            return await find_readable(log, session, principal)

        monkeypatch.setattr(linked_streams, "find_readable", find)
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "events/*"}
        assert (await maya.ask("PUT", "__ds/subscriptions/s", body))[0] == 409
        assert len(looked) == 3

    async def test_where_it_is_full_streams_that_are_gone_make_room(
        self, maya: Subscriber, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "MAX_STREAMS", 2)
        monkeypatch.setattr(rules, "MAX_STREAMS", 2)
        await maya.subscribe("s")
        for name in ("a", "b"):
            await maya.done("PUT", f"events/{name}", [1])
        await maya.until("s", lambda said: len(said["streams"]) == 2)
        await maya.done("DELETE", "events/a")
        await maya.done("PUT", "events/c", [1])
        shown = await maya.until("s", lambda said: "events/c" in [each["path"] for each in said["streams"]])
        assert [each["path"] for each in shown["streams"]] == ["events/b", "events/c"]

    async def test_any_number_of_streams_that_are_gone_keeps_nothing_from_being_found(
        self, http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keeper, "MAX_STREAMS", 2)
        settings = Settings(log=str(tmp_path / "log.db"), port=0, views=NO_VIEWS, views_in="gateway", drain=0.1)
        async with running(settings) as gateway:
            await Subscriber(http, gateway.url).subscribe("s")
        async with running(settings.model_copy(update={"durable_streams_subscriptions": 0})) as gateway:
            maya = Subscriber(http, gateway.url)
            for name in "abcde":
                await maya.done("PUT", f"events/{name}", [1])
                await maya.done("DELETE", f"events/{name}")
            await maya.done("PUT", "events/z", [1])
        async with running(settings) as gateway:
            claimed = await Subscriber(http, gateway.url).claim("s")
            assert [each["path"] for each in claimed["streams"]] == ["events/z"]

    async def test_a_stream_that_was_named_before_it_came_stays_by_its_pattern(self, maya: Subscriber) -> None:
        await maya.subscribe("s", streams=["events/a"])
        await maya.done("PUT", "events/a", [1])
        claimed = await maya.claim("s")
        assert claimed["streams"][0]["link_type"] == "explicit"
        await maya.ack("s", claimed)
        await maya.until("s", lambda said: said["streams"])
        await maya.done("POST", "events/a", [2])
        await maya.wakes("s", 1)
        await maya.done("DELETE", "__ds/subscriptions/s/streams/events/a")
        shown = await maya.until("s", lambda said: said["streams"] and said["streams"][0]["link_type"] == "glob")
        assert shown["streams"][0]["acked_offset"] == claimed["streams"][0]["tail_offset"]

    async def test_a_wake_stream_that_takes_nothing_is_tried_again(self, maya: Subscriber, gateway: Gateway) -> None:
        await maya.subscribe("s")
        await maya.done("DELETE", "wakes")
        await maya.done("PUT", "events/a", [1])
        await maya.until("s", lambda said: said["status"] == "failed")
        await maya.done("PUT", "wakes", [])
        wakes = await maya.wakes("s", 1)
        assert wakes[0]["generation"] > 1

    async def test_it_can_be_switched_off(self, http: aiohttp.ClientSession, start: Start) -> None:
        gateway = await start(durable_streams_subscriptions=0)
        maya = Subscriber(http, gateway.url)
        assert (await maya.ask("PUT", "__ds/subscriptions/s", {}))[0] == 400
        described = await (await http.get(f"{gateway.url}/openapi.json")).json()
        assert not [path for path in described["paths"] if "__ds" in path]

    async def test_a_gateway_that_only_reads_makes_none(
        self, http: aiohttp.ClientSession, start: Start, tmp_path: Path
    ) -> None:
        log = str(tmp_path / "shared.db")
        await Subscriber(http, (await start(log=log)).url).subscribe("s")
        reader = Subscriber(http, (await start(log=log, read_only=True)).url)
        assert (await reader.of("s"))[0] == 200
        body = {"type": "pull-wake", "wake_stream": "wakes", "pattern": "**"}
        status, said = await reader.ask("PUT", "__ds/subscriptions/t", body)
        assert (status, said["code"]) == (503, "log_read_only")
        assert (await reader.of("s", "claim", {"worker": "w"}))[0] == 503
