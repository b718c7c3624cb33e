"""What a model gets to read of the MCP server, and the handles that it copies."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.types import Tool

from stenogram.adapters.mcp.handle import Handle
from stenogram.adapters.mcp.seat import Seats
from stenogram.adapters.mcp.server import INSTRUCTIONS, mcp_server
from stenogram.domain.errors import Invalid

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@+\-]{0,127}", fullmatch=True)
A_FEW_WORDS = 650
"""Characters of a description: a client shows a model all of them, always."""


@pytest.fixture
async def tools() -> dict[str, Tool]:
    """The tools, as clients are told of them."""
    async with aiohttp.ClientSession() as http:
        listed = await mcp_server(Seats("http://127.0.0.1:1", http)).list_tools()
    return {tool.name: tool for tool in listed}


async def test_descriptions_are_short_and_say_the_rule_that_matters(tools: dict[str, Tool]) -> None:
    about = {name: tool.description or "" for name, tool in tools.items()}
    assert not {name for name, text in about.items() if not 30 < len(text) <= A_FEW_WORDS or "  " in text}
    assert sum(map(len, about.values())) < 6_000
    assert about["join"].startswith("Call this first.")
    assert "before you work" in about["claim"]
    assert all("`fenced`" in about[name] for name in ("progress", "complete"))
    assert len(INSTRUCTIONS) < 1_200


async def test_every_argument_says_what_it_is(tools: dict[str, Tool]) -> None:
    plain = {"tasks", "kind", "answer", "limit", "approval"}  # whose names say it
    silent = {
        (name, argument)
        for name, tool in tools.items()
        for argument, schema in tool.input_schema["properties"].items()
        if "description" not in schema and argument not in plain
    }
    assert not silent


async def test_what_the_descriptions_name_is_there(tools: dict[str, Tool]) -> None:
    words = {
        word.strip("`.,;:()") for tool in tools.values() for word in (tool.description or "").split() if word[0] == "`"
    }
    of_answers = {
        "claimed",
        "fenced",
        "conflict",
        "signals",
        "questions",
        "version",
        "more",
        "status",
        "open",
        "handle",
    }
    arguments = {each for tool in tools.values() for each in tool.input_schema["properties"]}
    kinds = {"cancel", "pause", "resume", "steer", "reroute"}
    assert words <= set(tools) | of_answers | arguments | kinds


async def test_only_what_changes_nothing_is_marked_so(tools: dict[str, Tool]) -> None:
    reading = {name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint}
    assert reading == {"look", "read", "state", "answered"}


@given(NAMES, NAMES, NAMES, NAMES, st.integers(1, 10**15 - 1))
def test_a_handle_reads_as_what_it_was_written_from(session: str, who: str, run: str, task: str, attempt: int) -> None:
    handle = Handle(session, who, run)
    assert Handle.parse(f" {handle}\n") == handle
    claim = handle.under(task, attempt)
    assert Handle.parse(str(claim)) == claim
    assert claim.claim == {"task": task, "attempt": attempt}


@given(st.text())
def test_any_other_text_is_no_handle(text: str) -> None:
    if text.count("/") in (2, 4):
        return
    with pytest.raises(Invalid, match="Call `join`"):
        Handle.parse(text)


def test_handles_are_of_new_runs() -> None:
    assert Handle.mint("s", "a").run != Handle.mint("s", "a").run
