"""How the console does in a real browser: opening long sessions, frames while one pans and scrubs, memory while much
streams in. Needs a Chromium; it has no GPU to draw with, and shares the machine's cores with the gateway.

python benchmarks/console.py [--events 50000] [--spans 1000000] [--seconds 60] [--shots FOLDER]
"""

import argparse
import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import long_session
import orjson
from playwright.async_api import Page, async_playwright

from stenogram.client import Client
from stenogram.domain.concepts.lifecycle import SessionOpened
from stenogram.domain.concepts.messages import MessagePosted
from stenogram.domain.concepts.presence import PresenceJoined, PresenceStatus
from stenogram.domain.concepts.tools import ToolCalled, ToolReturned
from stenogram.domain.model import EventData
from stenogram.domain.parts import TextPart

SIZE = {"width": 1440, "height": 900}
EVENTS_PER_SECOND = 500
STEPS = 20
FRAMES = """() => {
  window.frames_ = []
  let last = performance.now()
  const next = (now) => { window.frames_.push(now - last); last = now; requestAnimationFrame(next) }
  requestAnimationFrame(next)
}"""
SHOW = "version => { history.pushState(null, '', `?v=${version}`); dispatchEvent(new PopStateEvent('popstate')) }"
DRAWN = """([here, head]) => {
  const [, version, last] = document.querySelector('.scrubber').innerText.match(/(\\d+) \\/ (\\d+)/)
  const spans = document.querySelector('.timeline canvas').getAttribute('aria-label')
  const { shown } = document.querySelector('main.session').dataset
  if (shown ? Number(shown) !== here : here !== head) return false
  return version >= here && last >= head && !spans.includes(', 0 spans') && document.querySelector('.entry') !== null
}"""
"""Whether a version is shown, of at least so many (agents of a log that was made are soon lost), with its spans."""
HELD = "() => performance.memory.usedJSHeapSize / 1e6"


def busy() -> Iterator[tuple[str, EventData]]:
    """Twelve agents who do nothing but what is a span: of six events five."""
    agents = [f"agent-{number}" for number in range(12)]
    yield "ada", SessionOpened(title="A session of very many spans")
    for agent in agents:
        yield agent, PresenceJoined(participant=agent, kind="agent")
    number = 0
    while True:
        number += 1
        agent = agents[number * 7 % len(agents)]
        yield agent, PresenceStatus(participant=agent, status="working", activity=f"Turn {number}")
        yield agent, ToolCalled(call=f"t{number}", tool="search", arguments={"page": number})
        yield agent, ToolReturned(call=f"t{number}", result=["Tivoli"])
        for part in range(3):
            yield agent, MessagePosted(message=f"m{number}-{part}", parts=(TextPart(text="Three rooms are free."),))


@contextlib.contextmanager
def gateway(log: Path) -> Iterator[str]:
    """A gateway over the log, once its views are built; its address."""
    command = [sys.executable, "-m", "stenogram", "serve", "--log", str(log), "--port", "0"]
    environment = {**os.environ, "NO_COLOR": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
        assert found is not None
        try:
            while not views_are_current(found[0]):
                time.sleep(0.5)
            yield found[0]
        finally:
            process.terminate()


def views_are_current(url: str) -> bool:
    """Whether every view has come to the log's end."""
    with urllib.request.urlopen(f"{url}/v1/views") as answer:
        return all(each.get("behind") == 0 for each in orjson.loads(answer.read())["views"])


async def frames(page: Page) -> str:
    """Median, 95th percentile and worst of the frames since the last look, in milliseconds."""
    found = sorted((await page.evaluate("() => frames_.splice(0)"))[1:])
    return f"{found[len(found) // 2]:.1f} / {found[len(found) * 95 // 100]:.1f} / {found[-1]:.1f}"


async def until_drawn(page: Page, version: int, head: int) -> None:
    """Wait until a version is shown. (The page's policy lets nothing wait inside of it.)"""
    async with asyncio.timeout(60):
        while not await page.evaluate(DRAWN, [version, head]):
            await asyncio.sleep(0.02)


async def opened(page: Page, url: str, session: str, head: int) -> float:
    """Seconds until the session is drawn: messages, spans and the newest version."""
    await page.goto("about:blank")
    began = time.perf_counter()
    await page.goto(f"{url}/console/s/{session}#participant=maya")
    await page.wait_for_selector(".entry")
    await until_drawn(page, head, head)
    return time.perf_counter() - began


async def looked_at(page: Page, head: int, shots: Path | None, name: str) -> list[tuple[str, str]]:
    """What one does with a timeline: zoom, pan, go back, scrub."""
    await page.evaluate(FRAMES)
    await asyncio.sleep(1)
    found = [("nothing", await frames(page))]
    box = await page.locator(".timeline canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + 50
    await page.mouse.move(x, y)
    for turn in range(40):
        await page.mouse.wheel(0, -120 if turn < 25 else 60)
        await asyncio.sleep(0.03)
    found.append(("zooming", await frames(page)))
    await page.mouse.down()
    for step in range(120):
        await page.mouse.move(x - step * 3, y)
        await asyncio.sleep(0.016)
    await page.mouse.up()
    found.append(("panning", await frames(page)))
    await asyncio.sleep(1)
    if shots:
        await page.screenshot(path=shots / f"{name}-near.png")
    await page.locator(".timeline canvas").dblclick(position={"x": 400, "y": 10})
    track = await page.locator(".track").bounding_box()
    assert track is not None
    await frames(page)
    await page.mouse.move(track["x"] + track["width"] * 0.9, track["y"] + 12)
    await page.mouse.down()
    for step in range(90):
        await page.mouse.move(track["x"] + track["width"] * (0.9 - step / 180), track["y"] + 12)
        await asyncio.sleep(0.03)
    await page.mouse.up()
    found.append(("scrubbing", await frames(page)))
    await asyncio.sleep(1)
    try:
        found.append(("a first jump into the past, seconds", f"{await jumped(page, head // 3, head):.2f}"))
        steps = sorted([await jumped(page, head // 3 + step, head) for step in range(1, STEPS + 1)])
        found.append(("a step, seconds, median and worst", f"{steps[STEPS // 2]:.2f}, {steps[-1]:.2f}"))
        others = [f"{await jumped(page, head * part // 10, head):.2f}" for part in (9, 1, 5)]
        found.append(("three more jumps, seconds", ", ".join(others)))
    except TimeoutError:
        found.append(("a jump into the past, seconds", "more than 60"))
    if shots:
        await asyncio.sleep(1)
        await page.screenshot(path=shots / f"{name}-past.png")
    return found


async def jumped(page: Page, version: int, head: int) -> float:
    """Seconds until a moment is drawn."""
    began = time.perf_counter()
    await page.evaluate(SHOW, version)
    await until_drawn(page, version, head)
    return time.perf_counter() - began


async def long_one(what: str, head: int, happens: Any, shots: Path | None) -> None:
    """Open a session of so many events and look around in it."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.db")
        start = datetime.now(UTC) - timedelta(seconds=head / long_session.PER_SECOND)
        await asyncio.to_thread(long_session.fill, log, head, happens=happens, start=start)
        began = time.perf_counter()
        with gateway(log) as url:
            print(f"{what}: {head:,} events; views built in {time.perf_counter() - began:.0f} s", flush=True)
            async with browsing() as page:
                times = [f"{await opened(page, url, long_session.SESSION, head):.2f}"]
                times += [f"{await opened(page, url, long_session.SESSION, head):.2f}" for _ in range(2)]
                print(f"  opened in s, three times: {', '.join(times)}")
                if shots:
                    await asyncio.sleep(1)
                    await page.screenshot(path=shots / f"{head}-open.png")
                spans = await page.locator(".timeline canvas").get_attribute("aria-label")
                print(f"  {spans}")
                for name, said in await looked_at(page, head, shots, str(head)):
                    print(f"  {name}: {said}", flush=True)
                print(f"  memory of scripts: {await page.evaluate(HELD):.0f} MB", flush=True)


async def streamed(seconds: int) -> None:
    """Look at a session into which four agents write 500 events a second."""
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder, "log.db")) as url:
        async with Client(url, participant="ada", kind="user") as client, browsing() as page:
            await client.do("stream", "session.open", {"title": "Much at once"})
            await page.goto(f"{url}/console/s/stream#participant=maya")
            await page.evaluate(FRAMES)
            for part in range(4):
                await asyncio.gather(*[speak(url, f"agent-{number}", part, seconds / 4) for number in range(4)])
                await page.evaluate("() => window.gc?.()")
                held, moved = await page.evaluate(HELD), await frames(page)
                print(f"  after {(part + 1) * seconds // 4} s: {held:.0f} MB, frames {moved}", flush=True)


async def speak(url: str, name: str, part: int, seconds: float) -> None:
    """Stream messages of fifty pieces, an agent's share of the events."""
    async with Client(url, participant=name, kind="agent") as client, client.session("stream", open=False) as session:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            async with session.stream_message(window=0) as message:
                for _ in range(50):
                    await message.write("Three rooms. ")
                    await asyncio.sleep(4 / EVENTS_PER_SECOND)


@contextlib.asynccontextmanager
async def browsing() -> Any:
    """A page in a new Chromium, which says when a script fails."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    arguments = ["--no-sandbox", "--disable-gpu", "--enable-precise-memory-info", "--js-flags=--expose-gc"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        page = await (await browser.new_context(viewport=SIZE)).new_page()  # type: ignore[arg-type]
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: print(f"  FAILED {error}"))
        yield page
        await browser.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--shots", type=Path, help="a folder for pictures of what was seen")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(exist_ok=True, parents=True)
    print("frames: median / p95 / worst in ms")
    if options.events:
        await long_one("a long session", options.events, None, options.shots)
    if options.spans:
        await long_one("very many spans", options.spans * 6 // 5 + 13, busy, options.shots)
    if options.seconds:
        print(f"{EVENTS_PER_SECOND} events a second")
        await streamed(options.seconds)


if __name__ == "__main__":
    asyncio.run(main())
