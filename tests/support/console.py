"""Sessions for tests of the console, and what its pages are driven by."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
from playwright.async_api import Page, expect

from stenogram.client import Agent, Client, Session
from support.browser import CLIENT

SHOW = """version => {
  history.pushState(null, '', `${location.pathname}?v=${version}`)
  dispatchEvent(new PopStateEvent('popstate'))
}"""
"""Takes a page to a moment."""
HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'"`${window.hacked=1}{{1}}'
SECRET = "a secret of at least thirty-two bytes"


def token(*scopes: str, seconds: float = 600) -> str:
    """Maya's, with these scopes or the usual ones."""
    claims = {"sub": "maya", "exp": time.time() + seconds}
    return jwt.encode({**claims, "scopes": scopes} if scopes else claims, SECRET, "HS256")


async def enter(page: Page, name: str = "maya") -> None:
    """Sign in on an open gateway."""
    await page.get_by_label("Who are you?").fill(name)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("banner")).to_be_visible()


@contextlib.asynccontextmanager
async def hotels(url: str) -> AsyncIterator[Agent]:
    """An agent in the session `trip`."""
    async with (
        Client(url, participant="hotels", kind="agent") as client,
        client.agent(session="trip", title="A weekend in Lisbon") as agent,
    ):
        yield agent


@contextlib.asynccontextmanager
async def played(url: str) -> AsyncIterator[Session]:
    """A session with something of everything."""
    async with hotels(url) as agent:
        session = agent.session
        await session.post("Which city?")
        task = await session.tasks.create("Find rooms", {"kind": "hotel"}, task="t-1")
        await session.tasks.create("Book them", {}, needs=[task])
        async for claimed in agent.tasks(accepts="hotel"):
            async with claimed:
                async with agent.say() as message:
                    for word in ("The ", "Tivoli ", "has ", "rooms."):
                        await message.write(word)
                await session.state.merge({"hotel": {"name": "Tivoli", "price": 210}})
                await claimed.complete({"hotel": "Tivoli"})
            break
        await session.state.merge({"hotel": {"price": 190}})
        yield session


async def export_page(folder: Path, *arguments: str) -> Path:
    """The session `trip` as a page in a file."""
    file = folder / "trip.html"
    command = (sys.executable, "-m", "stenogram", "export", "trip", "--html", "-o", str(file), *arguments)
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return file


async def expect_moment(page: Page, client: Client, version: int) -> None:
    """Whether each panel of a page at this version shows what the gateway says of it."""
    then = await client.show("trip", at=version)
    said = (await client.session("trip").view("transcript").rows(at=version)).rows
    await expect(page.locator(".scrubber")).to_contain_text(f"{version} /")
    await expect(page.locator(".talk .entry")).to_have_count(len(said))
    open_texts = ["".join(part["text"] for part in each["parts"]) for each in then["open_messages"]]
    await expect(page.locator(".entry.open .text")).to_have_text([f"{each}▌" for each in open_texts])
    await _tab(page, "agents")
    await expect(page.locator(".card:not(.away) .who")).to_have_text(
        [each["id"] for each in then["participants"] if each["present"]]
    )
    await _tab(page, "tasks")
    titles = [each["title"] for each in then["tasks"]]
    await expect(page.locator(".board .card .who")).to_have_count(len(titles))
    assert sorted(await page.locator(".board .card .who").all_inner_texts()) == sorted(titles)
    await _tab(page, "state")
    await expect(page.locator(".leaf")).to_have_count(len(then["state"].get("hotel", {})))
    await _tab(page, "signals")
    await expect(page.locator(".panel .card")).to_have_count(len(then["open_signals"]))
    await _tab(page, "log")
    await expect(page.locator(".log-row").last.locator(".number").first).to_have_text(str(version))


async def _tab(page: Page, name: str) -> None:
    await page.get_by_role("link", name=name, exact=True).click()


async def axe_faults(page: Page) -> list[str]:
    """What axe-core finds seriously wrong with the page as it is. (Evaluated: the page's policy forbids to add a
    script.)"""
    if await page.evaluate("typeof window.axe") == "undefined":
        await page.evaluate((CLIENT / "node_modules/axe-core/axe.min.js").read_text())
    found = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{page.url} {each['id']}: {node['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]


async def write_hostile(url: str) -> None:
    """A session with text in every field that wants to be markup or script."""
    async with Client(url, participant="evil", kind="agent") as client:
        about = {"title": HOSTILE, "labels": {"x": "y"}, "metadata": {HOSTILE: HOSTILE}}
        await client.do("trip", "session.open", about)
        await client.do("trip", "presence.join", {"name": HOSTILE[:128], "about": {HOSTILE: HOSTILE}})
        await client.do("trip", "presence.status", {"status": "working", "activity": HOSTILE})
        await client.do("trip", "message.post", {"message": "m1", "text": HOSTILE})
        parts = [{"kind": "reasoning", "text": HOSTILE}, {"kind": "data", "data": {HOSTILE: HOSTILE}}]
        await client.do("trip", "message.post", {"message": "m2", "parts": parts})
        await client.do("trip", "tool.call", {"call": "c", "tool": "t", "arguments": {HOSTILE: HOSTILE}})
        await client.do("trip", "tool.return", {"call": "c", "error": HOSTILE})
        await client.do("trip", "task.create", {"task": "t", "title": HOSTILE, "input": HOSTILE})
        await client.do("trip", "state.merge", {"patch": {HOSTILE: {HOSTILE: HOSTILE}, "__proto__": {"a": HOSTILE}}})
        await client.do("trip", "approval.request", {"approval": "a", "question": HOSTILE, "options": [HOSTILE, "no"]})
        await client.do("trip", "custom.record", {"type": "x.y", "data": {HOSTILE: HOSTILE}})
