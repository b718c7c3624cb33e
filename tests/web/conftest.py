"""A Chromium, pages served from another port than the gateway's, and Node's packages.

A test fails when its page has written an error to the console, or has thrown one.
"""

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Browser, Page, async_playwright, expect
from support.browser import (
    CLIENT,
    EXAMPLE,
    OpenPage,
    ServePage,
    StartForPages,
    find_chromium,
    find_node,
    install_packages,
    run,
)

from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings

WAIT_MS = 45_000
"""How long a page may take, on a machine that does other things, too."""
expect.set_options(timeout=WAIT_MS)

_PAGE = """<!doctype html>
<title>A page</title>
<link rel="icon" href="data:,">
<div id="root"></div>
<script type="module" src="page.js"></script>
"""


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages of the client's tests."""
    found = find_node()
    if found is None:
        pytest.skip("no Node: install it (Debian: nodejs npm)")
    install_packages(CLIENT)
    return found


@pytest.fixture(scope="session")
def example(node: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of a page, built."""
    install_packages(EXAMPLE)
    folder = tmp_path_factory.mktemp("example")
    run(EXAMPLE, "npx", "vite", "build", "--outDir", str(folder), "--emptyOutDir", "--logLevel", "error")
    return folder


@pytest.fixture(scope="session")
def bundled(node: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Makes a folder with a page that runs a file of `tests/web/pages`."""

    def bundled(name: str) -> Path:
        folder = tmp_path_factory.mktemp("bundled")
        source = Path(__file__).with_name("pages") / name
        options = ("--bundle", "--format=esm", "--jsx=automatic", f"--outfile={folder / 'page.js'}")
        aliases = [f"--alias:{name}={CLIENT / 'node_modules' / name}" for name in ("react", "react-dom")]
        own = [f"--alias:stenogram/react={CLIENT / 'src/react.js'}", f"--alias:stenogram={CLIENT / 'src/index.js'}"]
        run(CLIENT, "npx", "esbuild", str(source), *options, *aliases, *own, "--log-level=error")
        (folder / "index.html").write_text(_PAGE)
        return folder

    return bundled


@pytest.fixture
async def serve_page() -> AsyncIterator[ServePage]:
    """Serves a folder; returns its origin."""
    async with AsyncExitStack() as stack:

        async def serve(folder: Path) -> str:
            app = web.Application()

            async def index(_: web.Request) -> web.FileResponse:
                return web.FileResponse(folder / "index.html")

            app.router.add_get("/", index)
            app.router.add_static("/", folder)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            host, port = runner.addresses[0][:2]
            return f"http://{host}:{port}"

        yield serve


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartForPages]:
    """Starts a gateway in this process, with views, for pages of these origins."""
    async with AsyncExitStack() as stack:

        async def start(*origins: str, **settings: object) -> Gateway:
            given = {"log": str(tmp_path / "log.db"), "port": 0, "drain": 0.1, "views_in": "gateway", **settings}
            return await stack.enter_async_context(running(Settings.model_validate({**given, "origins": origins})))

        yield start


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program."""
    found = find_chromium()
    if found is None:
        pytest.skip("no Chromium: install it (Debian: chromium)")
    return found


@pytest.fixture(scope="session")
def devtools(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Chromium is spoken to. One serves all tests: to start it costs more than most of them."""
    folder = tmp_path_factory.mktemp("chromium")
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--mute-audio")
    command = (chromium, *options, f"--user-data-dir={folder}", "--remote-debugging-port=0", "about:blank")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port, path = _written(folder / "DevToolsActivePort", process).split()
            yield f"ws://127.0.0.1:{port}{path}"
        finally:
            process.kill()


def _written(file: Path, process: "subprocess.Popen[bytes]") -> str:
    """What a program writes into a file once it runs."""
    for _ in range(600):
        assert process.poll() is None, f"it ended with {process.returncode}"
        if file.exists() and len(said := file.read_text().split()) == 2:
            return " ".join(said)
        time.sleep(0.1)
    raise TimeoutError(f"nothing was written into {file}")


@pytest.fixture
async def browser(devtools: str) -> AsyncIterator[Browser]:
    """A running Chromium, whose profiles of this test are gone after it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(devtools)
        yield browser
        for context in browser.contexts[1:]:
            await context.close()
        await browser.close()


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens a page, in a browser profile of its own or beside another page. `expected` are texts of the console that
    belong to what the test does."""
    said: list[str] = []
    allowed: list[str] = []

    async def open_page(url: str, *, beside: Page | None = None, expected: tuple[str, ...] = ()) -> Page:
        allowed.extend(expected)
        page = await (beside.context if beside else await browser.new_context()).new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        await page.goto(url)
        return page

    yield open_page
    faults = [text for text in said if not any(each in text for each in allowed)]
    assert not faults, "\n".join(faults)
