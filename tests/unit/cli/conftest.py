"""What the tests of the command line share: a way to run it, and a session to run it on."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from stenogram.cli.main import run as run_stenogram


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the command line in this process, in a directory of its own: `run("tail", "trip", stdin=b"")`."""
    monkeypatch.chdir(tmp_path)
    for name in ("STENOGRAM_LOG", "STENOGRAM_TOKEN", "STENOGRAM_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        code = run_stenogram([str(each) for each in arguments])
        sys.stdout.flush()
        said = capfdbinary.readouterr()
        return Ran(code, said.out.decode(), said.err.decode())

    return run


def wire(session: str, version: int, type: str, actor: str, data: dict[str, Any], **more: Any) -> bytes:
    """An event's envelope as it goes over the wire, its members in the canonical order."""
    second, milli = divmod(version * 150, 1000)
    envelope = {
        "position": version,
        "session": session,
        "version": version,
        "id": f"{session}-e{version}",
        "type": type,
        "time": f"2026-01-31T09:30:{second:02}.{milli:03}000Z",
        "actor": actor,
        **more,
        "data": data,
    }
    return orjson.dumps(envelope) + b"\n"


def text(said: str) -> list[dict[str, str]]:
    """The parts of a message that says this."""
    return [{"kind": "text", "text": said}]


def trip(session: str) -> bytes:
    """A small session with a bit of everything, as JSONL."""
    hotel = {"name": "Casa Azul", "price": 780}
    rename = {"op": "replace", "path": "/hotel/name", "value": "Memmo"}
    happened: list[tuple[Any, ...]] = [
        ("session.opened", "maya", {"title": "Lisbon in May", "labels": {"kind": "trip"}}, {"cause": "c1"}),
        ("presence.joined", "maya", {"participant": "maya", "kind": "user", "name": "Maya"}),
        ("presence.joined", "hotels", {"participant": "hotels", "kind": "agent"}),
        ("message.posted", "maya", {"message": "m1", "parts": text("A hotel, please."), "kind": "message"}),
        ("presence.status", "hotels", {"participant": "hotels", "status": "working", "activity": "looks around"}),
        ("tool.called", "hotels", {"call": "t1", "tool": "search", "arguments": {"city": "Lisbon"}}),
        ("tool.returned", "hotels", {"call": "t1", "result": {"found": 3}}),
        ("message.started", "hotels", {"message": "m2", "kind": "message"}),
        ("message.delta", "hotels", {"message": "m2", "index": 0, "text": "Casa Azul,"}),
        ("message.delta", "hotels", {"message": "m2", "index": 1, "text": " 780 €."}),
        ("message.completed", "hotels", {"message": "m2", "parts": text("Casa Azul, 780 €."), "deltas": 2}),
        ("state.merged", "hotels", {"keys": ["/hotel"], "patch": {"hotel": hotel}}),
        ("state.incremented", "hotels", {"keys": ["/spent"], "path": "/spent", "by": 780, "value": 780}),
        ("message.posted", "hotels", {"message": "m3", "parts": text("Psst."), "kind": "message"},
         {"audience": ["agents"]}),
        ("state.patched", "maya", {"keys": ["/hotel"], "patch": [rename]}),
        ("x.weather", "hotels", {"sun": True}),
        ("presence.left", "hotels", {"participant": "hotels", "reason": "done"}),
    ]  # fmt: skip
    return b"".join(
        wire(session, version, each[0], each[1], each[2], **(each[3] if len(each) > 3 else {}))
        for version, each in enumerate(happened, 1)
    )


@pytest.fixture
def jsonl() -> Callable[[str], bytes]:
    """Makes the JSONL of the small session under a given id."""
    return trip


@pytest.fixture
def log(run: Run, tmp_path: Path) -> Path:
    """A log that holds the small session as `trip-7`."""
    path = tmp_path / "log.db"
    imported = run("import", "-", "--log", path, stdin=trip("trip-7"))
    assert imported.code == 0, imported.err
    return path
