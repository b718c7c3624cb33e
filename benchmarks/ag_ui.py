"""AG-UI, and the AI SDK, beside the native stream: 1,000 subscribers of one session, one event a frame, as fast as that
goes.

All are server-sent events, and read by the same client, which counts blocks. The gateway's window, which would put
several events into a frame when it is busy, is closed; nothing is stored.
"""

import http.client
import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Bench, Figures, Side, pin, token
from table import Goal, Table

SUBSCRIBERS, BYTES = 1_000, 200
CHAT = "/v1/ai/agent/default/chat"
PATHS = {
    "native": "/v1/sessions/b0/events?after=end",
    "AG-UI": "/v1/agui/threads/b0",
    "AI SDK": f"{CHAT}/b0/stream",
}
QUIET_S = 0.3


def run(bench: Bench) -> Table:
    subscribers = bench.size(SUBSCRIBERS)
    sides: dict[str, Side] = {side: _side(bench, path, subscribers) for side, path in PATHS.items()}
    found = bench.interleave("ag_ui", sides)
    table = Table(
        f"AG-UI and the AI SDK, {subscribers:,} subscribers of one session",
        ("stream", "deliveries/s", "÷ native", "CPU"),
    )
    for side, f in found.items():
        table.rows.append((side, f["deliveries"], f["deliveries"] / found["native"]["deliveries"], f["cpu"]))
    for side in ("AG-UI", "AI SDK"):
        reached = found[side]["deliveries"] / found["native"]["deliveries"]
        table.goals.append(Goal(f"{side} ÷ native", reached, 0.5))
    return table


def _side(bench: Bench, path: str, subscribers: int) -> Side:
    return lambda: _measure(bench, path, subscribers)


def _measure(bench: Bench, path: str, subscribers: int) -> Figures:
    seconds, warmup = bench.seconds(3), bench.seconds(0.5)
    pin(1)
    with bench.gateway(window=0) as server:
        if CHAT in path:
            _begin_run(server.port)
        with _subscribed(server.port, path, subscribers) as poll:
            used = server.cpu
            server.tell(f"feed {BYTES}")
            _count(poll, warmup)
            counted = _count(poll, seconds)
            cpu = (server.cpu - used) / (seconds + warmup)
    return {"deliveries": counted / seconds, "cpu": cpu}


def _begin_run(port: int) -> None:
    """Begin what the AI SDK's stream follows."""
    said = {"id": "bench", "role": "user", "parts": [{"type": "text", "text": "Go on."}]}
    ask = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Authorization": f"Bearer {token('bench')}", "Content-Type": "application/json"}
    ask.request("POST", CHAT, json.dumps({"id": "b0", "messages": [said]}), headers)
    if ask.getresponse().status != 200:
        raise RuntimeError("no run has begun")
    ask.close()


@contextmanager
def _subscribed(port: int, path: str, subscribers: int) -> Iterator[tuple[select.epoll, dict[int, socket.socket]]]:
    """Subscribers that have caught up."""
    ask = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token('bench')}\r\n"
    ask += "Accept: text/event-stream\r\n\r\n"
    poll, sockets = select.epoll(), dict[int, socket.socket]()
    try:
        for _ in range(subscribers):
            one = socket.create_connection(("127.0.0.1", port))
            one.sendall(ask.encode())
            one.setblocking(False)
            poll.register(one.fileno(), select.EPOLLIN)
            sockets[one.fileno()] = one
        while _count((poll, sockets), QUIET_S):
            pass
        yield poll, sockets
    finally:
        for one in sockets.values():
            one.close()
        poll.close()


def _count(polled: tuple[select.epoll, dict[int, socket.socket]], seconds: float) -> int:
    """Blocks with data that come in so many seconds."""
    poll, sockets = polled
    counted, until = 0, time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        for number, _ in poll.poll(left, 256):
            came = sockets[number].recv(65_536)
            if not came:
                raise RuntimeError("a stream has ended")
            counted += came.count(b"data: ")
    return counted
