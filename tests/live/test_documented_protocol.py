"""The protocol reference is true: its examples are what the gateway takes and sends, its tables what the code says."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from support.wire import Frame, Wire

from stenogram.api.delivery import websocket_encoder
from stenogram.api.http.causes import MAX_LINKS, MAX_READ
from stenogram.api.protocol import client_frames, close_codes
from stenogram.api.protocol.close_codes import CloseCode
from stenogram.api.protocol.queries import MAX_PAGE_ITEMS, MAX_WAIT_S
from stenogram.api.server import Gateway
from stenogram.api.settings import Settings
from stenogram.api.views.row_set import MAX_FOLLOWED_ROWS
from stenogram.domain import errors
from stenogram.domain.concepts.approvals.questions import MAX_QUESTIONS
from stenogram.domain.concepts.document import MAX_DOCUMENT_BYTES
from stenogram.domain.concepts.lifecycle import MAX_METADATA_BYTES
from stenogram.domain.concepts.messages import MAX_MESSAGE_BYTES
from stenogram.domain.concepts.open_work import MAX_OPEN, MAX_OPEN_BYTES
from stenogram.domain.concepts.reports import MAX_REPORT_BYTES
from stenogram.domain.concepts.signals import MAX_REROUTE_BYTES
from stenogram.domain.concepts.tools import MAX_ERROR_CHARS, MAX_OUTPUT_BYTES
from stenogram.domain.errors import StenogramError
from stenogram.projections import DocProjection
from stenogram.projections.views import BUILT_IN
from stenogram.projections.views.activity import WIDTHS

Open = Callable[..., Awaitable[Wire]]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGE = (REFERENCE / "protocol.md").read_text()
TEXT = PAGE + (REFERENCE / "errors.md").read_text()
EXAMPLES = [
    each
    for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for each in re.split(r"\n(?=\{)", block)
]
CLIENT = ("hello", "subscribe", "unsubscribe", "command", "heartbeat")


def parsed(example: str) -> Frame:
    """An example, with its ellipses filled in."""
    found: Frame = orjson.loads(example.replace("…", "x").replace("<JWT>", "x"))
    return found


FRAMES = [parsed(example) for example in EXAMPLES]


def documented(frame: str) -> Frame:
    """The example of one of the gateway's frames."""
    return next(each for each in FRAMES if each.get("frame") == frame)


def section(title: str) -> str:
    """The text under a heading."""
    return re.split(r"^#+ ", TEXT.split(f"# {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def table(title: str) -> dict[str, list[str]]:
    """The first table under a heading: the code in the first column, and the other columns."""
    rows = [
        re.split(r"(?<!\\) ?\| ?", line.strip("| ")) for line in section(title).splitlines() if line.startswith("|")
    ]
    return {row[0].strip("` "): [cell.strip() for cell in row[1:]] for row in rows[2:]}


# -- what clients send


@pytest.mark.parametrize("frame", [each for each in FRAMES if each.get("frame") in CLIENT], ids=str)
def test_an_example_of_a_client_can_be_read(frame: Frame) -> None:
    if frame["frame"] == "hello":
        client_frames.parse_hello(frame)
    elif frame["frame"] == "command":
        client_frames.parse_command_frame(frame)
    else:
        client_frames.parse_control(frame)


def test_every_frame_of_a_client_has_an_example() -> None:
    assert {each["frame"] for each in FRAMES if each.get("frame") in CLIENT} == set(CLIENT)


def test_every_member_of_a_subscription_is_documented() -> None:
    text = section("From the client")
    for model in (client_frames.Subscribe, client_frames.CommandFrame):
        for member in model.model_fields.keys() - {"frame"}:
            assert f"`{member}`" in text, f"{model.__name__}.{member}"


# -- what the gateway sends


def same_members(sent: Frame, example: Frame, *, optional: tuple[str, ...] = ()) -> None:
    """A frame has the members of its example, at every depth that the example shows."""
    assert set(sent) - set(optional) == set(example) - set(optional)
    for name, value in example.items():
        if isinstance(value, dict) and name in ("limits",):
            same_members(sent[name], value)
        elif isinstance(value, list) and name == "events":
            same_members(sent[name][0], value[0])


async def test_what_the_gateway_sends_has_the_documented_members(connect: Open) -> None:
    wire = await connect()
    same_members(wire.welcome, documented("welcome"))
    ack = await wire.command("trip-7", "session.open", {})
    same_members(ack, documented("ack"))
    merged = await wire.command("trip-7", "state.merge", {"patch": {"hotel": {"name": "Casa Azul"}}})
    guard = {"patch": {"hotel": None}, "if_unchanged": {"/hotel": merged["versions"][0] - 1}}
    refused = await wire.command("trip-7", "state.merge", guard)
    same_members(refused, documented("refused"))
    assert set(refused["error"]) == set(documented("refused")["error"])
    messages: list[Frame] = []
    await wire.command("trip-7", "message.start", {"message": "m2"})
    await wire.ws.send_json({"frame": "subscribe", "sub": "trip", "session": "trip-7", "after": 2})
    while not messages or messages[-1]["frame"] != "caught_up":
        content = await wire.ws.receive_json(timeout=30)
        messages += content if isinstance(content, list) else [content]
    events, caught_up = messages
    example = documented("events")
    assert set(events) == set(example)
    assert set(events["events"][0]) == set(example["events"][0]) | {"cause"}
    assert set(events["events"][0]["data"]) == set(example["events"][0]["data"])
    same_members(caught_up, documented("caught_up"))


async def test_a_bye_has_the_documented_members(http: aiohttp.ClientSession, start: Any) -> None:
    gateway = await start(heartbeat=1.0)
    wire = await Wire.open(http, gateway.url, participant="a")
    await wire.subscribe("trip", session="trip-7")
    closed = await wire.closed()
    assert closed.bye is not None
    same_members(closed.bye, documented("bye"))


async def test_a_page_has_the_documented_members(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    (example,) = [each for each in FRAMES if "caught_up" in each and "frame" not in each]
    async with http.get(f"{gateway.url}/v1/sessions/trip-7/events") as response:
        assert set(await response.json()) == set(example)


def test_every_example_is_looked_at() -> None:
    known = {*CLIENT, "welcome", "events", "caught_up", "view", "gap", "ack", "refused", "bye", None}
    assert {each.get("frame") for each in FRAMES} == known


# -- tables


def test_every_error_that_a_client_may_meet_is_documented() -> None:
    rows = {code: (int(cells[0]), cells[1].strip("`")) for code, cells in table("Errors").items()}
    found = {error.code: (error.status, error.__name__) for error in _tree(StenogramError)}
    inner = {"refused", "log_error", "log_in_use", "log_unreadable", "configuration"}
    outer = {"method_not_allowed": (405, "")}
    assert rows == {code: row for code, row in found.items() if code not in inner} | outer


def _tree(root: type[StenogramError]) -> list[type[StenogramError]]:
    below = [each for each in root.__subclasses__() if each.__module__ == errors.__name__]
    return [root, *(each for child in below for each in _tree(child))]


def test_every_close_code_is_documented() -> None:
    rows = {(int(code), cells[0].strip("`")) for code, cells in table("Close codes").items()}
    found = {tuple(each) for each in vars(close_codes).values() if isinstance(each, CloseCode)}
    assert rows == found


def test_every_limit_is_as_documented() -> None:
    rows = {what: int(cells[0].split()[0].strip(",").replace(",", "")) for what, cells in table("Limits").items()}
    settings = Settings()
    assert rows == {
        "a WebSocket message or HTTP body": settings.frame_bytes // 2**20,
        "a WebSocket message to a client": websocket_encoder.MAX_MESSAGE_BYTES // 2**20,
        "frames in one message": settings.batch,
        "depth of JSON": settings.depth,
        "subscriptions of a connection": settings.subscriptions,
        "documents of a subscription": client_frames.MAX_DOCUMENTS,
        "rows of a session that are followed": MAX_FOLLOWED_ROWS,
        "events of a chain of causes": MAX_LINKS,
        "events that are looked through for one": MAX_READ,
        "commands of a connection, per second": settings.commands_per_second,
        "a name: an id of anything, a participant, a key": client_frames.MAX_NAME_CHARS,
        "text of a message, posted, streamed or completed": MAX_MESSAGE_BYTES,
        "error of a tool": MAX_ERROR_CHARS,
        "text of a session's open messages together": MAX_OPEN_BYTES,
        "new input of a reroute of an agent": MAX_REROUTE_BYTES,
        "streamed output of a tool call": MAX_OUTPUT_BYTES,
        "output of a session's open tool calls together": MAX_OPEN_BYTES,
        "usage, or metadata, of a message, a tool call or a task": MAX_REPORT_BYTES,
        "questions of an approval": MAX_QUESTIONS,
        "shared state of a session": MAX_DOCUMENT_BYTES,
        "metadata of a session": MAX_METADATA_BYTES,
        "unfinished tasks of a session; its open messages, tool calls, signals, approvals": MAX_OPEN,
        "events of an HTTP page": MAX_PAGE_ITEMS,
        "seconds that an HTTP request can wait": int(MAX_WAIT_S),
    }


def test_every_route_is_documented(gateway: Gateway) -> None:
    documented = set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/[^`?]*)", PAGE))
    routes = {resource.canonical for resource in gateway.app().router.resources()}
    assert routes | {"/mcp"} == documented  # which `serve` mounts, where its package is installed


def test_every_built_in_view_is_documented() -> None:
    page = (REFERENCE / "views.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    documented = {name.strip("`"): (keeps, set(re.findall(r"`(\w+)`", search))) for name, keeps, search, _ in rows}
    assert documented == {
        view.name: (
            "documents" if isinstance(view, DocProjection) else "rows",
            {*view.shape.key, *[name for index in view.shape.indexes for name in index]},
        )
        for view in BUILT_IN
    }
    assert all(f"{width} " in page or f"{width // 60} min" in page or f"{width // 3600} h" in page for width in WIDTHS)
