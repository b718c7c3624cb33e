"""The commands that read a log at rest: sessions, show, tail, replay, export."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

Run = Callable[..., Any]
Jsonl = Callable[[str], bytes]


def test_sessions_are_listed_with_their_title(run: Run, log: Path) -> None:
    assert run("sessions", "--log", log).out == "trip-7\t17\topen\tLisbon in May\n"
    assert orjson.loads(run("sessions", "--json", "--log", f"sqlite:///{log}").out) == {
        "session": "trip-7",
        "version": 17,
        "title": "Lisbon in May",
        "status": "open",
        "labels": {"kind": "trip"},
    }


def test_sessions_of_a_prefix(run: Run, log: Path) -> None:
    assert run("sessions", "--prefix", "trip", "--log", log).out
    none = run("sessions", "--prefix", "x", "--log", log)
    assert (none.code, none.out, none.err) == (0, "", "No sessions begin with x.\n")


def test_a_session_is_shown_folded(run: Run, log: Path) -> None:
    shown = run("show", "trip-7", "--log", log).out
    for words in ("Lisbon in May", "A hotel, please.", "Casa Azul, 780 €.", "to agents", '"name": "Memmo"', "search("):
        assert words in shown


def test_columns_stay_apart_whatever_the_names(run: Run, jsonl: Jsonl) -> None:
    long = b"the-agent-for-hotels-in-lisbon"
    task = orjson.loads(jsonl("trip-7").splitlines()[2]) | {
        "position": 18,
        "version": 18,
        "id": "e18",
        "time": "2026-01-31T09:31:00.000000Z",
        "type": "task.created",
        "data": {"task": "book-the-hotel-in-lisbon", "title": "Book it"},
    }
    lines = (jsonl("trip-7") + orjson.dumps(task)).replace(b'"hotels"', b'"%b"' % long)
    assert run("import", "-", stdin=lines).code == 0
    shown = run("show", "trip-7").out
    assert re.search(r"the-agent-for-hotels-in-lisbon +agent +left", shown)
    assert re.search(r"maya {20,}user +idle", shown)
    assert re.search(r"book-the-hotel-in-lisbon +open +Book it", shown)


def test_a_session_is_shown_as_it_was(run: Run, log: Path) -> None:
    then = orjson.loads(run("show", "trip-7", "--at", 9, "--json", "--log", log).out)
    assert then["version"] == 9
    assert then["state"] == {}
    assert then["messages"][-1]["text"] == "Casa Azul,"
    assert then["messages"][-1]["status"] == "open"
    now = orjson.loads(run("show", "trip-7", "--json", "--log", log).out)
    assert now["state"] == {"hotel": {"name": "Memmo", "price": 780}, "spent": 780}
    assert (now["title"], now["status"]) == ("Lisbon in May", "open")


def test_an_open_call_is_shown_with_its_output_so_far(run: Run, tmp_path: Path) -> None:
    output, happened = tmp_path / "log.db", tmp_path / "calling.jsonl"
    events: list[tuple[str, dict[str, Any]]] = [
        ("session.opened", {}),
        ("tool.called", {"call": "c1", "tool": "bash"}),
        ("tool.output", {"call": "c1", "index": 0, "text": "one\n"}),
        ("tool.output", {"call": "c1", "index": 1, "text": "two\n"}),
    ]
    around = {"session": "s", "time": "2026-01-31T12:00:00Z", "actor": "hotels"}
    lines = [
        orjson.dumps({**around, "position": n, "version": n, "id": f"e{n}", "type": type, "data": data})
        for n, (type, data) in enumerate(events, 1)
    ]
    happened.write_bytes(b"\n".join(lines))
    assert run("import", happened, "--log", output).code == 0
    assert "… two" in run("show", "s", "--log", output).out
    assert "… one" in run("show", "s", "--at", 3, "--log", output).out
    assert run("tail", "s", "--folded", "--no-follow", "--log", output).out.count("tool.") == 1


def test_an_open_message_of_several_pages_is_shown_as_far_as_it_was_said(run: Run, tmp_path: Path) -> None:
    """Events of other kinds, and of another message that has ended, are between its deltas."""
    others: list[tuple[str, dict[str, Any]]] = [
        ("presence.status", {"participant": "hotels", "status": "working"}),
        ("message.started", {"message": "m2"}),
        ("message.delta", {"message": "m2", "index": 0, "text": "another"}),
        ("message.completed", {"message": "m2", "parts": [{"kind": "text", "text": "another"}], "deltas": 1}),
    ]
    words = [f"{number} " for number in range(2_500)]
    events: list[tuple[str, dict[str, Any]]] = [
        ("session.opened", {}),
        ("presence.joined", {"participant": "hotels", "kind": "agent"}),
        ("message.started", {"message": "m1"}),
        *[("message.delta", {"message": "m1", "index": index, "text": word}) for index, word in enumerate(words)],
    ]
    events[1_500:1_500] = others
    around = {"session": "s", "time": "2026-01-31T12:00:00Z", "actor": "hotels"}
    log, happened = tmp_path / "log.db", tmp_path / "streaming.jsonl"
    happened.write_bytes(
        b"\n".join(
            orjson.dumps({**around, "position": n, "version": n, "id": f"e{n}", "type": type, "data": data})
            for n, (type, data) in enumerate(events, 1)
        )
    )
    assert run("import", happened, "--log", log).code == 0
    for at, said in ((1_400, 1_397), (1_502, 1_497), (2_507, 2_500)):
        shown = orjson.loads(run("show", "s", "--at", at, "--json", "--log", log).out)
        assert shown["messages"][0]["text"] == "".join(words[:said])
    assert shown["messages"][1]["text"] == "another"


def test_a_version_that_is_not_reached_is_refused(run: Run, log: Path) -> None:
    for command in (("show", "--at", 99), ("tail", "--after", 99, "--no-follow")):
        refused = run(command[0], "trip-7", *command[1:], "--log", log)
        assert refused.code == 1
        assert "stands at version 17" in refused.err


def test_the_tail_is_the_last_events(run: Run, log: Path) -> None:
    lines = run("tail", "trip-7", "-n", 2, "--no-follow", "--log", log).out.splitlines()
    assert [line.split()[0] for line in lines] == ["16", "17"]
    assert lines[0].endswith("{sun: true}")


def test_the_tail_of_a_log_names_the_session(run: Run, log: Path) -> None:
    (line,) = run("tail", "-n", 1, "--no-follow", "--log", log).out.splitlines()
    assert line.split()[:2] == ["trip-7", "17"]


def test_json_lines_are_the_very_bytes(run: Run, log: Path, jsonl: Jsonl) -> None:
    assert run("tail", "trip-7", "--after", 0, "--no-follow", "--json", "--log", log).out.encode() == jsonl("trip-7")


@pytest.mark.parametrize(
    ("options", "versions"),
    [
        (("--types", "message.*"), [4, 8, 9, 10, 11, 14]),
        (("--types", "message.*", "--folded"), [4, 11, 14]),
        (("--types", "state.patched, x.weather"), [15, 16]),
        (("--folded",), [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 14, 15, 16, 17]),
    ],
)
def test_events_are_chosen(run: Run, log: Path, options: tuple[str, ...], versions: list[int]) -> None:
    said = run("tail", "trip-7", "--after", 0, "--no-follow", "--json", *options, "--log", log).out
    assert [orjson.loads(line)["version"] for line in said.splitlines()] == versions
    lines = run("tail", "trip-7", "--after", 0, "--no-follow", *options, "--log", log).out
    assert len(lines.splitlines()) == len(versions)


def test_a_cursor_of_another_log_is_refused(run: Run, log: Path) -> None:
    refused = run("tail", "--after", "abc.1", "--no-follow", "--log", log)
    assert refused.code == 1
    assert "'abc.1' is no place" in refused.err


def test_a_replay_tells_the_same_as_the_log(run: Run, log: Path, jsonl: Jsonl) -> None:
    replayed = run("replay", "trip-7", "--speed", "max", "--json", "--log", log).out
    assert replayed.encode() == jsonl("trip-7")


def test_a_part_of_a_session_is_replayed(run: Run, log: Path) -> None:
    lines = run("replay", "trip-7", "--speed", "max", "--from", 8, "--to", 10, "--log", log).out.splitlines()
    assert [line.split()[0] for line in lines] == ["8", "9", "10"]


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_replay_from_beyond_the_end_is_refused(run: Run, log: Path, as_json: tuple[str, ...]) -> None:
    refused = run("replay", "trip-7", "--from", "18", "--log", log, *as_json)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == "stenogram: Session 'trip-7' stands at version 17; 18 is not reached yet.\n"


def test_a_directory_is_no_log(run: Run, tmp_path: Path) -> None:
    for place in (tmp_path, "/"):
        refused = run("sessions", "--log", place)
        assert (refused.code, refused.err) == (1, f"stenogram: {place} is a directory; name the log's file in it.\n")


def test_a_replay_takes_its_time_and_says_when_it_shortens(run: Run, log: Path) -> None:
    replayed = run("replay", "trip-7", "--speed", "10x", "--longest", 0.001, "--log", log)
    assert replayed.code == 0
    assert "passed" in replayed.err


def test_an_export_to_a_file_is_whole_or_not_there(run: Run, log: Path, jsonl: Jsonl, tmp_path: Path) -> None:
    assert run("export", "trip-7", "-o", "out.jsonl", "--log", log).err == "Exported 17 events to out.jsonl.\n"
    assert (tmp_path / "out.jsonl").read_bytes() == jsonl("trip-7")
    assert run("export", "trip-7", "nope", "-o", "none.jsonl", "--log", log).code == 1
    assert not list(tmp_path.glob("none*"))


def test_an_export_goes_through_a_link_and_into_a_pipe(run: Run, log: Path, jsonl: Jsonl, tmp_path: Path) -> None:
    """What stands there already stays what it is: a pipe, a link, a device."""
    (tmp_path / "link.jsonl").symlink_to("real.jsonl")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    for name in ("link.jsonl", "pipe"):
        assert run("export", "trip-7", "-o", name, "--log", log).code == 0
    assert os.read(reader, 65_536) == (tmp_path / "real.jsonl").read_bytes() == jsonl("trip-7")
    os.close(reader)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nope"),
        ("tail", "nope"),
        ("replay", "nope"),
        ("export", "nope"),
    ],
)
def test_a_session_that_is_not_there_is_one_line(run: Run, log: Path, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments, "--log", log)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("stenogram: There is no session 'nope'")
    assert refused.err.count("\n") == 1


@pytest.mark.parametrize("command", ["sessions", "tail", "show trip", "replay trip", "export --all"])
def test_a_log_that_is_not_there_is_one_line(run: Run, command: str, tmp_path: Path) -> None:
    refused = run(*command.split())
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"stenogram: There is no log at {tmp_path / 'stenogram.db'}")
    assert not list(tmp_path.iterdir()), "reading makes no files"


@pytest.mark.parametrize(
    "command",
    [
        "show",
        "show a/b",
        "export",
        "export trip --all",
        "tail trip --after x",
        "tail --after 1 -n 3",
        "replay trip --speed soon",
        "replay trip --from 3 --to 2",
        "replay trip --speed 0",
        "nonsense",
    ],
)
def test_a_wrong_command_line_is_code_2(run: Run, command: str) -> None:
    wrong = run(*command.split())
    assert wrong.code == 2
    assert "Error: " in wrong.err
