"""Who may connect, and what they may do: tokens, scopes, tenants, and gateways that run open."""

import base64
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.wire import Closed, Follower, SseReader, Wire

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.domain.errors import ConfigurationError, LogUnreadable

Start = Callable[..., Awaitable[Gateway]]

SECRET = "a secret of at least thirty-two bytes"


def token(secret: str = SECRET, **claims: Any) -> str:
    """A good token, but for what is said otherwise; None takes a claim away."""
    members = {"sub": "ana", "exp": time.time() + 600, **claims}
    return jwt.encode({name: value for name, value in members.items() if value is not None}, secret, "HS256")


def forged(header: Any, payload: Any, signature: bytes = b"") -> str:
    """A token made by hand."""
    parts = [json.dumps(header).encode(), json.dumps(payload).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Keys(NamedTuple):
    """A key pair: what signs, and the gateway's half in PEM."""

    algorithm: str
    private: Any
    public: str


def keys(algorithm: str, bits: int = 2_048) -> Keys:
    """A new pair."""
    private: Any = generate_private_key(65_537, bits) if algorithm == "RS256" else Ed25519PrivateKey.generate()
    return Keys(
        algorithm, private, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    )


@pytest.fixture
async def gateway(start: Start) -> Gateway:
    """A gateway with a secret."""
    return await start(jwt_secret=SECRET)


async def refused(http: aiohttp.ClientSession, gateway: Gateway, token: str | None) -> Closed:
    """How a connection with this token ends."""
    wire = Wire(await http.ws_connect(f"{gateway.url}/v1/ws"))
    await wire.send({"frame": "hello", "token": token})
    closed = await wire.closed()
    assert wire.frames[0]["error"]["code"] == "unauthenticated"
    return closed


async def get(http: aiohttp.ClientSession, gateway: Gateway, path: str, token: str | None = None) -> tuple[int, Any]:
    """Status and body."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with http.get(f"{gateway.url}{path}", headers=headers) as response:
        return response.status, await response.json(content_type=None)


BAD: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "empty": lambda: "",
    "no token": lambda: "nonsense",
    "expired": lambda: token(exp=time.time() - 1),
    "not yet": lambda: token(nbf=time.time() + 60),
    "without exp": lambda: token(exp=None),
    "without sub": lambda: token(sub=None),
    "another key": lambda: token("another secret of more than thirty-two"),
    "exp is text": lambda: token(exp="tomorrow"),
    "exp is beyond all numbers": lambda: token(exp=10**400),
    "exp is infinite": lambda: token(exp=float("inf")),
    "nbf is infinite": lambda: token(nbf=float("inf")),
    "sub is no name": lambda: token(sub="a b"),
    "sub is long": lambda: token(sub="a" * 129),
    "kind is unknown": lambda: token(kind="robot"),
    "tenant is no name": lambda: token(tenant="../../etc"),
    "tenant is a number": lambda: token(tenant=7),
    "scopes are a number": lambda: token(scopes=7),
    "scopes hold a number": lambda: token(scopes=[7]),
    "alg none": lambda: forged({"alg": "none"}, {"sub": "ana", "exp": time.time() + 600}),
    "alg None": lambda: forged({"alg": "None", "typ": "JWT"}, {"sub": "ana", "exp": time.time() + 600}, b"x"),
    "alg unknown": lambda: forged({"alg": "HS1024"}, {"sub": "ana"}),
    "header is a list": lambda: forged([], {}),
    "header is deep": lambda: ".".join((base64.urlsafe_b64encode(b"[" * 100_000).decode(), "e30", "e30")),
    "unsigned": lambda: token().rpartition(".")[0] + ".",
    "cut": lambda: token()[:-2],
    "not ASCII": lambda: "é" * 10,
    "a number": lambda: 7,
}


SAID = {
    "no token": "no JSON Web Token that can be read",
    "expired": "has expired; get a new one",
    "not yet": "not valid yet; wait",
    "without exp": "lacks exp",
    "another key": "not signed with this gateway's key",
    "alg none": "not signed by HS256",
}


@pytest.mark.parametrize("bad", SAID)
async def test_why_a_token_is_refused_is_said(bad: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    status, problem = await get(http, gateway, "/v1/sessions", BAD[bad]())
    assert (status, SAID[bad] in problem["detail"]) == (401, True), problem["detail"]


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_token_opens_nothing(bad: str, http: aiohttp.ClientSession, gateway: Gateway) -> None:
    made: Any = BAD[bad]()
    if not isinstance(made, int):
        closed = await refused(http, gateway, made)
        assert (closed.code, closed.reason) == (4501, "unauthenticated")
    if isinstance(made, str) and made and len(made) < 5_000:
        for path in ("/v1/sessions", "/v1/events"):
            async with http.get(f"{gateway.url}{path}", params={"token": made}) as response:
                assert (response.status, (await response.json(content_type=None))["code"]) == (401, "unauthenticated")
                assert response.headers["WWW-Authenticate"] == "Bearer"
            if made.isascii():
                assert (await get(http, gateway, path, made))[0] == 401


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA"])
async def test_public_keys_check_their_own_algorithm_alone(
    algorithm: str, http: aiohttp.ClientSession, start: Start
) -> None:
    pair, other = keys(algorithm), keys(algorithm)
    gateway = await start(jwt_public_key=pair.public)
    claims = {"sub": "ana", "kind": "user", "exp": time.time() + 600}
    wire = await Wire.open(http, gateway.url, token=jwt.encode(claims, pair.private, algorithm))
    assert wire.welcome["participant"] == "ana"
    await refused(http, gateway, jwt.encode(claims, other.private, algorithm))
    await refused(http, gateway, jwt.encode(claims, SECRET, "HS256"))
    await refused(http, gateway, forged({"alg": "none"}, claims))
    confused = forged({"alg": "HS256"}, claims)  # signed with the public key as if it were a secret
    mac = jwt.get_algorithm_by_name("HS256")
    key = base64.urlsafe_b64encode(mac.sign(confused.rpartition(".")[0].encode(), pair.public.encode())).rstrip(b"=")
    await refused(http, gateway, f"{confused.rpartition('.')[0]}.{key.decode()}")


async def test_issuer_and_audience_are_required_when_they_are_configured(
    http: aiohttp.ClientSession, start: Start
) -> None:
    gateway = await start(jwt_secret=SECRET, jwt_issuer="us", jwt_audience="gateway")
    await Wire.open(http, gateway.url, token=token(iss="us", aud=["gateway", "other"]))
    for claims in ({}, {"iss": "us"}, {"aud": "gateway"}, {"iss": "them", "aud": "gateway"}, {"iss": "us", "aud": "x"}):
        await refused(http, gateway, token(**claims))


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (["read:*", "write:*"], {"read trip-1", "write trip-1", "read other", "write other", "log"}),
        (["read:trip-*"], {"read trip-1"}),
        (["write:trip-1"], {"write trip-1"}),
        (["read:trip-1", "write:other"], {"read trip-1", "write other"}),
        ("read:other write:trip-*", {"read other", "write trip-1"}),
        (["audit:*"], set()),
        (["read:", "write", "admin:*", ""], set()),
        ([], set()),
        (None, {"read trip-1", "write trip-1", "read other", "write other", "log"}),
    ],
)
async def test_scopes_say_what_is_allowed_where(
    scopes: Any, may: set[str], http: aiohttp.ClientSession, gateway: Gateway
) -> None:
    owner = await Wire.open(http, gateway.url, token=token(sub="owner"))
    for session in ("trip-1", "other"):
        await owner.command(session, "session.open", {})
    key = token(scopes=scopes)
    wire = await Wire.open(http, gateway.url, token=key)
    did = set()
    for session in ("trip-1", "other"):
        answer = await wire.command(session, "message.post", {"message": f"m-{session}", "text": "x"})
        if answer["frame"] == "ack":
            did.add(f"write {session}")
        else:
            assert answer["error"]["code"] == "forbidden"
        await wire.send({"frame": "subscribe", "sub": session, "session": session}, {"frame": "heartbeat"})
        wire.follow(session, {(session, session): Follower()})
        await wire.until(lambda: {"frame": "heartbeat"} in wire.frames)
        wire.frames.remove({"frame": "heartbeat"})
        status, _ = await get(http, gateway, f"/v1/sessions/{session}/events", key)
        refusals = [each["error"]["code"] for each in wire.frames]
        assert (status, refusals) in ((200, []), (403, ["forbidden"]))
        assert (await get(http, gateway, f"/v1/sessions/{session}", key))[0] == status
        wire.frames.clear()
        if status == 200:
            did.add(f"read {session}")
    listed = {each["session"] for each in (await get(http, gateway, "/v1/sessions", key))[1]["sessions"]}
    events = {each["session"] for each in (await get(http, gateway, "/v1/events", key))[1]["events"]}
    assert (
        {f"read {session}" for session in listed}
        == {f"read {session}" for session in events}
        == did
        & {
            "read trip-1",
            "read other",
        }
    )
    assert did | ({"log"} if len(listed) == 2 else set()) == may


async def test_commands_over_http_need_the_right_to_write(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    url = f"{gateway.url}/v1/sessions/s/commands"
    for scopes, status in ((["read:*"], 403), (["write:s"], 200)):
        headers = {"Authorization": f"Bearer {token(scopes=scopes)}"}
        async with http.post(url, json={"id": "c", "do": "session.open", "data": {}}, headers=headers) as response:
            assert response.status == status


async def test_tenants_share_nothing(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    """The same session id in two tenants and in none: neither readable nor countable across."""
    for number, tenant in enumerate((None, "acme", "umbrella"), start=1):
        key = token(sub=f"p-{tenant}", tenant=tenant)
        wire = await Wire.open(http, gateway.url, token=key)
        assert (await wire.command("s", "session.open", {"title": str(tenant)}))["positions"] == [1]
        for turn in range(number):
            await wire.command("s", "message.post", {"message": f"m{turn}", "text": f"of {tenant}"})
        follower = await wire.subscribe(all=True)
        await wire.catch_up("*")
        assert follower.places == list(range(1, number + 2))
        assert {event["actor"] for event in follower.events} == {f"p-{tenant}"}
    cursors = {}
    for number, tenant in enumerate((None, "acme", "umbrella"), start=1):
        key = token(tenant=tenant)
        _, listed = await get(http, gateway, "/v1/sessions", key)
        assert [(each["title"], each["version"]) for each in listed["sessions"]] == [(str(tenant), number + 1)]
        _, page = await get(http, gateway, "/v1/events", key)
        cursors[tenant] = page["to"]
    assert len(set(cursors.values())) == 3
    status, problem = await get(http, gateway, f"/v1/events?after={cursors['umbrella']}", token(tenant="acme"))
    assert (status, problem["code"]) == (404, "bad_cursor")


async def test_events_of_a_tenant_reach_none_of_another_live(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    ours = await Wire.open(http, gateway.url, token=token(tenant="acme"))
    theirs = await Wire.open(http, gateway.url, token=token(tenant="umbrella"))
    follower = await theirs.subscribe("s", session="s")
    await theirs.catch_up("s")
    await ours.command("s", "session.open", {})
    await theirs.command("s", "session.open", {"title": "theirs"})
    await theirs.reach("s", 1)
    assert [event["data"]["title"] for event in follower.events] == ["theirs"]


async def test_a_token_for_streams_may_stand_in_the_query(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    wire = await Wire.open(http, gateway.url, token=token())
    await wire.command("s", "session.open", {})
    async with SseReader.open(http, f"{gateway.url}/v1/sessions/s/events", Follower(), token=token()) as stream:
        await stream.reach(1)
    async with http.get(f"{gateway.url}/v1/sessions/s/events", headers={"Accept": "text/event-stream"}) as response:
        assert response.status == 401


async def test_a_token_that_expires_ends_the_connection(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    wire = await Wire.open(http, gateway.url, token=token(exp=time.time() + 5))
    await wire.command("s", "session.open", {})
    await wire.subscribe(session="s")
    await wire.catch_up("s")
    url = f"{gateway.url}/v1/sessions/s/events"
    async with SseReader.open(http, url, Follower(), token=token(exp=time.time() + 5)) as stream:
        closed, place = await wire.closed(), f"{wire.welcome['epoch']}.v1"
        assert closed.code == 4010
        assert closed.bye is not None
        assert closed.bye.items() >= {"code": "token_expired", "resume": {"s": place}, "retry_after": 0.0}.items()
        while await stream.step():
            pass
        assert stream.bye is not None
        assert (stream.bye.data["code"], stream.bye.id) == ("token_expired", place)


async def test_an_open_gateway_takes_no_tokens(http: aiohttp.ClientSession, start: Start) -> None:
    gateway = await start()
    await refused(http, gateway, token())
    wire = await Wire.open(http, gateway.url)
    assert (wire.welcome["participant"], wire.welcome["kind"]) == ("user", "user")
    for query in ("participant=a%20b", "kind=robot", "participant="):
        status, problem = await get(http, gateway, f"/v1/sessions?{query}")
        assert (status, problem["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"host": "::"},
        {"host": "192.0.2.1"},
        {"host": "example.com"},
        {"jwt_secret": "short"},
        {"jwt_secret": ""},
        {"jwt_secret": "x" * 31},
        {"jwt_secret": SECRET, "jwt_public_key": "x"},
        {"jwt_public_key": "no PEM"},
        {"jwt_public_key": keys("RS256", 1_024).public},
        {"log": "mysql://somewhere"},
        {"log": "/no/such/directory/log.db"},
    ],
)
async def test_a_gateway_that_would_be_unsafe_does_not_start(settings: dict[str, Any], start: Start) -> None:
    with pytest.raises((ConfigurationError, LogUnreadable)):
        await start(**settings)


async def test_with_keys_a_gateway_listens_anywhere(start: Start) -> None:
    gateway = await start(host="0.0.0.0", jwt_secret=SECRET)
    assert gateway.url.startswith("http://127.0.0.1:")


async def test_a_port_in_use_is_said(gateway: Gateway) -> None:
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(ConfigurationError, match="Cannot listen"):
        async with running(Settings(log="memory:", port=port, jwt_secret=SECRET)):
            pass
