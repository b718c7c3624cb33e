"""The command line as processes: signals, pipes, and a gateway that others follow."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from to_jsonl import jsonl_lines
from who_and_when import parse_recording

from stenogram.cli.main import run

STENOGRAM = (sys.executable, "-m", "stenogram")
HISTORY = [{"role": "human", "content": "Which hotel?"}, {"role": "Planner", "content": "Casa Azul. " * 200}] * 100


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with one long session, `gyms`, that nobody has open."""
    folder = tmp_path_factory.mktemp("imported")
    recording = parse_recording(orjson.dumps({"question": "Which hotel?", "history": HISTORY}))
    lines = b"\n".join(jsonl_lines(recording, "gyms", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)))
    log = folder / "log.db"
    subprocess.run([*STENOGRAM, "import", "-", "--log", str(log)], input=lines, check=True)
    return log


@pytest.fixture
def log(imported: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(imported, tmp_path))


@contextmanager
def started(*arguments: object, stdout: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """A command while the block runs."""
    command = [*STENOGRAM, *map(str, arguments)]
    with subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def gateway(log: Path, port: int = 0, *, views: str = "") -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A gateway on this log, and its URL."""
    with started("serve", "--port", port, "--log", log, "--views", views) as process:
        assert process.stderr is not None
        found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
        assert found is not None
        yield found[0], process


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def post(url: str, session: str, text: str, id: str) -> None:
    """Say something in a session, over plain HTTP."""
    import urllib.request

    body = orjson.dumps({"id": id, "do": "message.post", "data": {"message": id, "text": text}})
    request = urllib.request.Request(f"{url}/v1/sessions/{session}/commands?participant=maya&kind=user", body)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def reopen(url: str, session: str) -> None:
    do(url, session, "session.reopen", {})


def do(url: str, session: str, do: str, data: dict[str, object]) -> None:
    """Carry out a command, over plain HTTP."""
    import urllib.request

    body = orjson.dumps({"id": f"{do}-1", "do": do, "data": data})
    urllib.request.urlopen(f"{url}/v1/sessions/{session}/commands?participant=maya", body, timeout=30).close()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_gateway_ends_in_good_order(tmp_path: Path, stop: signal.Signals) -> None:
    with gateway(tmp_path / "new.db") as (_, process):
        process.send_signal(stop)
        assert process.wait(20) == 0


def test_ctrl_c_ends_a_tail_quietly(log: Path) -> None:
    with started("tail", "gyms", "--log", log) as tail:
        assert read_line(tail)
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 130
        assert tail.stderr is not None
        assert tail.stderr.read() == ""


@pytest.mark.parametrize("command", ["export gyms", "tail gyms --after 0", "show gyms", "replay gyms --speed max"])
def test_a_reader_that_goes_away_ends_a_command_quietly(log: Path, command: str) -> None:
    with started(*command.split(), "--log", log) as process:
        assert read_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr is not None
        assert process.stderr.read() == ""


READS = [
    ("export", "gyms"),
    ("export", "--all"),
    ("sessions",),
    ("show", "gyms"),
    ("show", "gyms", "--at", "20"),
    ("view", "gyms", "transcript", "--json"),
    ("view", "gyms", "agents", "--since", "20", "--json"),
    ("tail", "gyms", "-n", "3", "--no-follow"),
    ("tail", "-n", "3", "--no-follow"),
]


@pytest.mark.parametrize("views", ["", "none"])
def test_the_same_is_read_from_a_file_and_through_its_gateway(
    log: Path, capfdbinary: pytest.CaptureFixture[bytes], views: str
) -> None:
    def said(place: object, arguments: tuple[str, ...]) -> bytes:
        assert run([*arguments, "--as", "auditor", "--kind", "service", "--log", str(place)]) == 0
        sys.stdout.flush()
        return capfdbinary.readouterr().out

    with gateway(log, views=views) as (url, _):
        for read in READS:
            beside = said(log, read)
            assert beside.count(b"\n") >= 1, read
            assert said(url, read) == beside, read


def test_a_fork_is_exported_behind_its_origin_from_a_file_and_through_its_gateway(log: Path) -> None:
    with gateway(log, views="none") as (url, _):
        do(url, "fork", "session.fork", {"origin": "gyms", "at": 20})
        do(url, "again", "session.fork", {"origin": "fork", "at": 10})
        exported = [
            subprocess.run(
                [*STENOGRAM, "export", "again", "fork", "gyms", "--log", str(place)], capture_output=True, check=True
            ).stdout
            for place in (log, url)
        ]
    assert exported[0] == exported[1]
    sessions = list(dict.fromkeys(orjson.loads(line)["session"] for line in exported[0].splitlines()))
    assert sessions == ["gyms", "fork", "again"]


def test_a_tail_follows_a_gateway_and_its_file_alike(log: Path) -> None:
    with (
        gateway(log) as (url, _),
        started("tail", "gyms", "-n", 1, "--log", log) as beside,
        started("tail", "gyms", "-n", 1, "--log", url, "--as", "auditor") as through,
    ):
        for tail in (beside, through):
            assert "session.closed" in read_line(tail)
        reopen(url, "gyms")
        post(url, "gyms", "Is there breakfast?", "m-1")
        for tail in (beside, through):
            assert "session.reopened" in read_line(tail)
            assert "Is there breakfast?" in read_line(tail)


def test_a_tail_does_not_outlive_its_reader(log: Path) -> None:
    with started("tail", "gyms", "-n", 1, "--log", log) as tail:
        assert read_line(tail)
        assert tail.stdout is not None
        tail.stdout.close()
        assert tail.wait(20) == 141, "although nothing happens that it could write"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_streams_may_be_closed(log: Path, closed: str) -> None:
    command = f"{shlex.join([*STENOGRAM, 'show', 'gyms', '--log', str(log)])} {closed}"
    ran = subprocess.run(command, shell=True, capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no full device here")
@pytest.mark.parametrize("command", ["sessions", "show gyms", "export --all", "tail gyms --no-follow"])
def test_a_full_disk_is_one_line(log: Path, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*STENOGRAM, *command.split(), "--log", str(log)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ran.returncode, ran.stderr) == (1, b"stenogram: [Errno 28] No space left on device.\n")


def test_a_slow_reader_gets_every_byte_whatever_the_buffering(log: Path) -> None:
    whole = subprocess.run([*STENOGRAM, "export", "gyms", "--log", str(log)], capture_output=True, check=True).stdout
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    slow = [*STENOGRAM, "export", "gyms", "--log", str(log)]
    with subprocess.Popen(slow, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        pieces = []
        while piece := os.read(process.stdout.fileno(), 1_000):
            pieces.append(piece)
    assert b"".join(pieces) == whole


def test_a_tail_survives_the_gateway(log: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    with (
        gateway(log, port) as (url, first),
        started("tail", "gyms", "-n", 1, "--log", url, "--as", "auditor") as tail,
    ):
        assert "session.closed" in read_line(tail)
        first.send_signal(signal.SIGTERM)
        assert first.wait(20) == 0
        assert tail.stderr is not None
        assert "Waiting for it" in tail.stderr.readline()
        with gateway(log, port) as (again, _):
            reopen(again, "gyms")
            assert "session.reopened" in read_line(tail)


def test_nothing_is_imported_into_a_log_that_a_gateway_has_open(log: Path, tmp_path: Path) -> None:
    lines = subprocess.run([*STENOGRAM, "export", "gyms", "--log", str(log)], capture_output=True, check=True).stdout
    with gateway(log) as (_, process):
        command = [*STENOGRAM, "import", "-", "--log", str(log)]
        refused = subprocess.run(command, input=lines, capture_output=True, check=False)
        assert refused.returncode == 1
        assert (
            refused.stderr.decode()
            .rstrip()
            .endswith(f"process {process.pid} writes this log; stop it, or open the log for reading.")
        )


def test_where_there_is_no_gateway_it_says_so() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        ran = subprocess.run([*STENOGRAM, "sessions", "--log", url], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == f"stenogram: No gateway answers at {url} (Connection refused).\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"", "the connection was cut before an answer came"), (b"+OK ready\r\n", "what answers there speaks no HTTP")],
    ids=["nothing", "another protocol"],
)
@pytest.mark.parametrize("command", [("sessions",), ("say", "trip", "hello")], ids=["looks", "acts"])
def test_what_is_no_gateway_is_said_plainly(answer: bytes, said: str, command: tuple[str, ...]) -> None:
    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(1_000)
            connection.sendall(answer)

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                serve(listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=accept, args=[listening], daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ran = subprocess.run([*STENOGRAM, *command, "--log", url], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert said in ran.stderr.splitlines()[-1]
    assert "Error" not in ran.stderr


@pytest.mark.parametrize("command", [("sessions",), ("say", "trip", "hello")], ids=["looks", "acts"])
@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://127.0.0.1:99999"])
def test_what_is_no_url_is_said_plainly(url: str, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--log", url]) == 1
    assert capsys.readouterr().err == (
        f"stenogram: {url!r} is no gateway's address; it looks like http://127.0.0.1:8600.\n"
    )


def test_a_setting_that_cannot_be_read_is_one_line() -> None:
    environment = {**os.environ, "STENOGRAM_ORIGINS": "https://app.example.com"}
    ran = subprocess.run([*STENOGRAM, "serve"], capture_output=True, text=True, env=environment, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    wanted = 'it is a JSON list, such as ["https://app.example.com"]'
    assert ran.stderr == f"stenogram: STENOGRAM_ORIGINS cannot be read; {wanted}.\n"


def test_there_are_no_colours_but_on_a_terminal(log: Path) -> None:
    command = [*STENOGRAM, "show", "gyms", "--log", str(log)]
    assert b"\x1b" not in subprocess.run(command, capture_output=True, check=True).stdout


@pytest.mark.parametrize("no_color", [False, True])
def test_no_color_is_honoured_on_a_terminal(log: Path, no_color: bool) -> None:
    """A pseudo-terminal stands for the real one."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "1" if no_color else ""}
    command = [*STENOGRAM, "tail", "gyms", "-n", "5", "--no-follow", "--log", str(log)]
    subprocess.run(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, check=True)
    os.close(theirs)
    said = os.read(ours, 65_536)
    os.close(ours)
    coloured = re.search(rb"\x1b\[[\d;]*3[1-6]m", said)
    assert bool(coloured) is not no_color
