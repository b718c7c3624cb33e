"""What the benchmarks share: servers and load in processes of their own, rounds that take turns, medians.

The server runs on one core and the load client on another, so that neither takes time from the other. Sides that are
compared take turns within each round, so that a machine which slows down for a while slows all of them.
"""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import jwt
from stamps import STAMPS_BYTES

HERE = Path(__file__).resolve().parent
POLITE = "STENOGRAM_BENCH_POLITE"  # set: leave the priorities of processes alone
FIRST, SECOND = -20, -10
SECRET = "known to everyone who reads this"
Figures = Mapping[str, float]
Side = Callable[[], Figures]


def token(participant: str) -> str:
    """What an agent shows to the gateway."""
    return jwt.encode({"sub": participant, "kind": "agent", "exp": time.time() + 86_400}, SECRET, "HS256")


class NoCompiler(Exception):
    """There is no C compiler to build the load client with."""


@dataclass
class Bench:
    """One run of the benchmarks: how often, how long, where, and what the load client is."""

    rounds: int
    scale: float
    loadgen: Path
    folder: Path
    uvloop: bool = True
    results: dict[str, dict[str, Any]] = field(default_factory=dict)

    def seconds(self, full: float) -> float:
        """How long to measure, where a full run takes `full` seconds."""
        return max(0.15, full * self.scale)

    @property
    def smoke(self) -> bool:
        """Whether it only matters that everything runs."""
        return self.scale < 0.1

    def size(self, full: int) -> int:
        """How many of something, where a full run takes `full`."""
        return min(full, 20) if self.smoke else full

    def sizes(self, full: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes to go through; a smoke run takes one."""
        return (self.size(full[-1]),) if self.smoke else full

    def interleave(self, name: str, sides: Mapping[str, Side]) -> dict[str, dict[str, float]]:
        """Run all sides in turn, `rounds` times; the median of each figure of each side."""
        seen: dict[str, list[Figures]] = {side: [] for side in sides}
        for _ in range(self.rounds):
            for side, measure in sides.items():
                seen[side].append(measure())
        medians = {side: _medians(all_figures) for side, all_figures in seen.items()}
        self.results[name] = {"medians": medians, "rounds": seen}
        return medians

    @contextlib.contextmanager
    def database(self) -> Iterator[Path]:
        """A path for a log on the disk."""
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder, "log.db")

    @contextlib.contextmanager
    def stamps(self) -> Iterator[Path]:
        """A file in which a gateway notes when it published each position."""
        with tempfile.NamedTemporaryFile(dir=self.folder) as file:
            file.truncate(STAMPS_BYTES)
            yield Path(file.name)

    @contextlib.contextmanager
    def appender(self, **options: object) -> Iterator["Server"]:
        """A process that writes a log by itself; its options are those of servers/appender.py. It gives way to the load
        client, with which it shares a core: that one is to see what comes when it comes."""
        with running("appender.py", *_as_options(options), core=1, priority=SECOND) as server:
            yield server

    @contextlib.contextmanager
    def gateway(self, **options: object) -> Iterator["Server"]:
        """A gateway; its options are those of servers/gateway.py. It wants tokens."""
        with running("gateway.py", *_as_options({"uvloop": self.uvloop, "secret": SECRET, **options})) as server:
            yield server

    def load(self, server: "Server", begin: Callable[[], None] = lambda: None, **options: object) -> "Load":
        """Put load on a server and wait for the end; options are those of loadgen.c. `begin` is called when everyone is
        connected."""
        running = self.start_load(server, **options)
        running.when_ready()
        begin()
        used, began = server.cpu, time.monotonic()
        load = running.result()
        load.server_cpu = server.cpu - used
        load.server_share = load.server_cpu / (time.monotonic() - began)
        return load

    def start_load(self, server: "Server", **options: object) -> "Running":
        """The same, without waiting."""
        command = [str(self.loadgen), "--port", str(server.port), *_as_options({"token": token("bench"), **options})]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: pin(1))  # noqa: PLW1509
        return Running(process)


class Running(NamedTuple):
    """A load client at work."""

    process: "subprocess.Popen[str]"

    def when_ready(self) -> None:
        """Wait until everyone is connected and caught up."""
        self._line()

    def result(self) -> "Load":
        """Wait for the end and take the report."""
        while "seconds" not in (told := self._line()):
            pass
        self.process.wait()
        return Load(told)

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the load client failed; see above")
        told: dict[str, Any] = json.loads(line)
        return told


class Load(dict[str, Any]):
    """What the load client reports. Times are in milliseconds. Beside it the server's processor time since everyone was
    connected: in seconds, and as a share of one core."""

    server_cpu = 0.0
    server_share = 0.0

    @property
    def deliveries(self) -> float:
        """Events that arrived, per second."""
        return float(self["events"] / self["seconds"])

    @property
    def acks(self) -> float:
        """Commands that were acknowledged, per second."""
        return float(self["acks"] / self["seconds"])

    def quantiles(self, *kinds: str) -> dict[str, float]:
        """p50 and p99 of `delivery` (append to client), `store` (commit to client) and `ack`."""
        found = {kind: self.get(kind, {"p50": 0.0, "p99": 0.0}) for kind in kinds}
        return {f"{kind} {q}": found[kind][q] for kind in kinds for q in ("p50", "p99")}

    def check(self) -> "Load":
        """Raise if an event was missed or repeated, or a command refused: then the figures mean nothing."""
        if self["holes"] or self["refused"]:
            raise RuntimeError(f"{self['holes']} holes and {self['refused']} refused commands: {dict(self)}")
        return self


class Server:
    """A server's process. `told` is what it says when it is ready."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.told = self.answer()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.told["port"])

    def answer(self) -> dict[str, Any]:
        """The next line it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the server ended; see above")
        told: dict[str, Any] = json.loads(line)
        return told

    def ask(self, words: str) -> dict[str, Any]:
        """Put a question through the hatch."""
        self.tell(words)
        return self.answer()

    def tell(self, words: str) -> None:
        """Put a question and leave the answer for later."""
        assert self.process.stdin is not None
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    @property
    def cpu(self) -> float:
        """Seconds of processor time used so far, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what: str = "VmRSS") -> float:
        """Memory in MB: now, or with VmHWM the most there ever was."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(f"{what}:")[2].split()[0]) / 1024


@contextlib.contextmanager
def running(script: str, *options: str, core: int = 0, priority: int = FIRST) -> Iterator[Server]:
    """A server of servers/, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "servers" / script), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: pin(core, priority),  # noqa: PLW1509
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


@contextlib.contextmanager
def added_memory(server: Server) -> Iterator[list[float]]:
    """How many MB more than at first the gateway and its processes take, looked at all the time."""
    first, added, ended = _taken(server), [0.0], threading.Event()

    def look() -> None:
        while not ended.wait(0.1):
            added.append(_taken(server) - first)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield added
    finally:
        ended.set()
        looking.join()


def _taken(server: Server) -> float:
    """MB of a gateway and the processes beside it."""
    found = server.memory()
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            text = status.read_text()
            if int(text.partition("PPid:")[2].split()[0]) == server.process.pid and "VmRSS:" in text:
                found += int(text.partition("VmRSS:")[2].split()[0]) / 1_024
    return found


def baseline(script: str, *options: object, core: int | None = None) -> Figures:
    """Run a script of baselines/; what it prints."""
    command = [sys.executable, str(HERE / "baselines" / script), *map(str, options)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, preexec_fn=lambda: pin(core))
    figures: Figures = json.loads(ran.stdout)
    return figures


def pin(core: int | None, priority: int = FIRST) -> None:
    """In a new process: keep to one core where there are several, and go before others where that is allowed."""
    available = sorted(os.sched_getaffinity(0))
    if core is not None and len(available) > 1:
        os.sched_setaffinity(0, {available[core]})
    if POLITE not in os.environ:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, priority)
            os.setsid()  # Linux weighs sessions against each other before it looks at the processes within
            Path("/proc/self/autogroup").write_text(str(priority))


@contextlib.contextmanager
def built_loadgen() -> Iterator[Path]:
    """The load client, compiled. Raises NoCompiler."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompiler("The load client is a small C program, and there is no C compiler here: install gcc or clang.")
    with tempfile.TemporaryDirectory(prefix="stenogram-bench-") as folder:
        built = Path(folder, "loadgen")
        subprocess.run([compiler, "-O2", "-o", str(built), str(HERE / "loadgen.c")], check=True)
        yield built


def _medians(rounds: list[Figures]) -> dict[str, float]:
    return {figure: statistics.median(each[figure] for each in rounds) for figure in rounds[0]}


def _as_options(options: Mapping[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        if value is False or value is None:
            continue
        words.append(f"--{name.replace('_', '-')}")
        if value is not True:
            words.append(str(value))
    return words
