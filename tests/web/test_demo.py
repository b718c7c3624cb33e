"""The demo from its start to its end, with somebody who is Maya in a browser."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.async_api import Page, expect
from support.browser import OpenPage

pytestmark = [pytest.mark.web, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(300)]


class Demo(NamedTuple):
    """A demo that runs, its page, and what it has said on stderr."""

    process: asyncio.subprocess.Process
    page: Page
    said: list[str]


@asynccontextmanager
async def _demo(folder: Path, open_page: OpenPage, *, patience: float) -> AsyncIterator[Demo]:
    demo = (sys.executable, "-m", "stenogram", "demo", "--no-browser", "--session", "trip", "--speed", "3x")
    process = await asyncio.create_subprocess_exec(
        *(*demo, "--log", str(folder / "demo.db"), "--patience", str(patience)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        while not (found := re.search(r"http:\S+", "".join(said))):
            said.append((await process.stderr.readline()).decode())
        reading = asyncio.create_task(_read(process.stderr, said))
        # The gateway is gone before the page is.
        yield Demo(process, await open_page(found[0], expected=("WebSocket", "Failed to load", "404")), said)
        await reading
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _read(stream: asyncio.StreamReader, said: list[str]) -> None:
    async for line in stream:
        said.append(line.decode())


async def _told(demo: Demo, text: str) -> None:
    while not any(text in line for line in demo.said):  # noqa: ASYNC110 - it comes from another process
        await asyncio.sleep(0.1)


async def _say(page: Page, text: str) -> None:
    await page.get_by_label("say", exact=True).fill(text)
    await page.keyboard.press("Enter")


async def test_one_is_maya_from_the_start_to_the_end(tmp_path: Path, open_page: OpenPage) -> None:
    async with _demo(tmp_path, open_page, patience=30) as demo:
        page, talk = demo.page, demo.page.get_by_role("log")
        await expect(talk).to_contain_text("Your turn, Maya: say “Make it Lisbon!”")
        await _say(page, "What about Rome?")
        await expect(talk).to_contain_text("There is no model behind us")
        await _say(page, "make it lisbon, then")
        await expect(talk).to_contain_text("Lisbon it is.")
        await expect(talk).to_contain_text("change the hotel by hand")
        await page.get_by_role("link", name="state", exact=True).click()
        await page.get_by_role("button", name="Hotel Lis").click()
        await page.locator("textarea").fill('"Memmo Alfama"')
        await page.get_by_role("button", name="Set", exact=True).click()
        await page.get_by_role("button", name="book", exact=True).click()
        await expect(talk).to_contain_text("Memmo Alfama is booked")
        await expect(talk).to_contain_text("All is booked")
        await expect(talk).to_contain_text("Thank you, all of you!")
        for theirs in ("my sister will be in Lisbon", "Casa da Graça and love it"):
            await expect(talk).not_to_contain_text(theirs)  # the script left these turns to the visitor
        await asyncio.wait_for(_told(demo, "Look around"), 60)
        assert demo.process.returncode is None, "it stays while somebody looks"
        await page.close()
        assert await asyncio.wait_for(demo.process.wait(), 60) == 0


async def test_it_goes_on_for_one_who_only_watches_and_ends_for_one_who_stops_it(
    tmp_path: Path, open_page: OpenPage
) -> None:
    async with _demo(tmp_path, open_page, patience=1) as demo:
        page, talk = demo.page, demo.page.get_by_role("log")
        await expect(talk).to_contain_text("Your turn, Maya")
        await expect(talk).to_contain_text("my sister will be in Lisbon")
        await page.locator(".title-row").get_by_role("button", name="stop").click()
        await page.get_by_role("button", name="stop: sure?").click()
        await expect(talk).to_contain_text("The demo ends here")
        await page.close()
        assert await asyncio.wait_for(demo.process.wait(), 60) == 0
