"""What a token costs a program with three agents: `tapped.py FRAMEWORK TOKENS PAUSE [URL SECRET]`; with a URL, tapped.

Processor time of the whole process, the tap's thread included. A first run has imported and connected what there is; a
second one, of one token for each agent, says what a run costs besides its tokens.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import jwt

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

AGENTS = 3
SETTLES_S = 1.0


def main() -> None:
    framework, tokens, pause, *where = sys.argv[1:]
    text = " ".join(["token"] * int(tokens))
    asyncio.run(measured(framework, text, int(tokens), float(pause), where))


async def measured(framework: str, text: str, tokens: int, pause: float, where: list[str]) -> None:
    run = _langgraph if framework == "LangGraph" else _openai
    tap = _tap(framework, *where) if where else None
    await _used(run, tap, "token", 0.0)
    short = await _used(run, tap, "token", pause)
    began = time.perf_counter()
    long = await _used(run, tap, text, pause)
    took = time.perf_counter() - began - SETTLES_S
    if tap is not None:
        await tap.aclose()
    told = {"run_ms": short * 1e3, "cpu_us": (long - short) / ((tokens - 1) * AGENTS) * 1e6}
    print(json.dumps({**told, "per_second": tokens * AGENTS / took}))


async def _used(run: Any, tap: Any, text: str, pause: float) -> float:
    """Processor time of a run, until it is written."""
    used = time.process_time()
    await run(tap, text, pause)
    await asyncio.sleep(SETTLES_S)
    return time.process_time() - used


def _tap(framework: str, url: str, secret: str) -> Any:
    def token(participant: str) -> str:
        return jwt.encode({"sub": participant, "kind": "agent", "exp": time.time() + 86_400}, secret, "HS256")

    if framework == "LangGraph":
        from stenogram.adapters.taps.langgraph import LangGraphTap

        return LangGraphTap(url, tokens=token)
    from stenogram.adapters.taps.openai_agents import OpenAIAgentsTap

    return OpenAIAgentsTap(url, tokens=token).install()


async def _langgraph(tap: Any, text: str, pause: float) -> None:
    from langchain_core.messages import AIMessage
    from support.langgraph_team import Scripted, team

    models: Any = {
        name: Scripted(script=[AIMessage(text)], pause=pause) for name in ("planner", "researcher", "writer")
    }
    config: Any = {"callbacks": [tap] if tap else []}
    async for _ in team(**models).astream({"messages": "?"}, config, stream_mode="messages"):
        pass


async def _openai(tap: Any, text: str, pause: float) -> None:
    from agents import Runner
    from support.openai_team import Scripted, call, team

    models: Any = {
        "triage": Scripted([text, call("transfer_to_booking", "c-0")], pause=pause),
        "booking": Scripted([text, call("ask_researcher", "c-1", input="x")], "Done.", pause=pause),
        "researcher": Scripted(text, pause=pause),
    }
    result = Runner.run_streamed(team(**models), "?")
    async for _ in result.stream_events():
        pass


if __name__ == "__main__":
    main()
