"""Runs of LangGraph, recorded as they happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.langgraph_team import USAGE, team
from support.taps import recorded

from stenogram.adapters.taps.langgraph import LangGraphTap

if TYPE_CHECKING:
    from stenogram.api.server import Gateway


async def test_what_three_agents_do_is_in_the_session(gateway: Gateway) -> None:
    said: dict[str, str] = {}
    async with LangGraphTap(gateway.url) as tap:
        config: Any = {"callbacks": [tap], "configurable": {"thread_id": "trip"}}
        async for chunk, about in team().astream({"messages": "A hotel?"}, config, stream_mode="messages"):
            if chunk.type == "AIMessageChunk":
                who = str(about["langgraph_checkpoint_ns"]).partition(":")[0]
                said[who] = said.get(who, "") + chunk.content
    found = await recorded(gateway.url, "trip")
    print(found.words, found.calls)
