"""The JavaScript client outside of Node and pages: its own tests, against real gateways, in Deno and Bun; a worker."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Page
from support.browser import CLIENT, OpenPage, ServePage, StartForPages, install_packages

from stenogram.client import Client

pytestmark = [pytest.mark.web, pytest.mark.thorough, pytest.mark.slow, pytest.mark.timeout(600)]

RUNTIMES = Path(__file__).with_name("runtimes")
RUN_BY = {
    "deno": ("test", "--allow-all", "--no-check", "--no-lock", "--quiet"),
    "bun": ("test", "--timeout", "120000"),
}
SAYS = {"deno": r"ok \| (\d+) passed \| 0 failed \(", "bun": r"\n (\d+) pass\n 0 fail\n"}
IN_WORKER = """(url) => new Promise((resolve) => {
  const worker = new Worker('/page.js', { type: 'module' })
  worker.onmessage = ({ data }) => resolve(data)
  worker.postMessage(url)
})"""
FILES = sorted(each.name for each in (CLIENT / "test").glob("*.test.js"))


@pytest.fixture(scope="session")
def runtime(node: str) -> Callable[[str], Path]:
    """The program of a runtime, in the version that the lock names."""
    install_packages(RUNTIMES)
    return lambda name: RUNTIMES / "node_modules" / ".bin" / name


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("of", RUN_BY)
def test_the_clients_own_tests_pass(runtime: Callable[[str], Path], of: str, name: str, tmp_path: Path) -> None:
    settings = {
        "DENO_DIR": str(tmp_path),
        "DENO_NO_UPDATE_CHECK": "1",
        "NO_COLOR": "1",
        "STENOGRAM_PYTHON": sys.executable,
    }
    command = (str(runtime(of)), *RUN_BY[of], f"./test/{name}")
    done = subprocess.run(
        command, cwd=CLIENT, timeout=580, env={**os.environ, **settings},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    passed = re.search(SAYS[of], done.stdout)
    assert done.returncode == 0, done.stdout
    assert passed, done.stdout
    assert int(passed[1]) == len(re.findall(r"^test\(", (CLIENT / "test" / name).read_text(), re.MULTILINE))


async def test_it_runs_in_a_worker(
    bundled: Callable[[str], Path], serve_page: ServePage, open_page: OpenPage, start: StartForPages
) -> None:
    origin = await serve_page(bundled("worker.js"))
    gateway = await start(origin)
    async with Client(gateway.url, participant="ada", kind="user") as client:
        await client.do("trip", "session.open", {})
        page: Page = await open_page(origin)
        answer = asyncio.create_task(page.evaluate(IN_WORKER, gateway.url))
        await client.do("trip", "message.post", {"message": "m-1", "text": "To a worker."})
        assert set(await answer) == {"From a worker.", "To a worker."}
