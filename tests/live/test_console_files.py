"""What a gateway serves of the console: files and a page, which may run nothing but their own."""

import aiohttp
import pytest

from stenogram.api.server import Gateway

PAGES = ("/console/", "/console/s/trip-7", "/console/s/a.b", "/console/operations")


@pytest.mark.parametrize("path", PAGES)
async def test_every_place_of_the_console_is_the_page(http: aiohttp.ClientSession, gateway: Gateway, path: str) -> None:
    async with http.get(gateway.url + path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert "/console/app.js" in await answer.text()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("app.js", "text/javascript"),
        ("client/index.js", "text/javascript"),
        ("style.css", "text/css"),
        ("icon.svg", "image/svg+xml"),
    ],
)
async def test_files_have_their_types(http: aiohttp.ClientSession, gateway: Gateway, path: str, kind: str) -> None:
    async with http.get(f"{gateway.url}/console/{path}") as answer:
        assert (answer.status, answer.content_type) == (200, kind)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_no_script_but_its_own_may_run(http: aiohttp.ClientSession, gateway: Gateway) -> None:
    async with http.get(f"{gateway.url}/console/") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["no.js", "../../pyproject.html", "client/../../../api/server.js", "%2e%2e/x.css"])
async def test_there_is_nothing_else(http: aiohttp.ClientSession, gateway: Gateway, path: str) -> None:
    async with http.get(f"{gateway.url}/console/{path}") as answer:
        assert answer.status == 404
        assert (await answer.json())["code"] == "not_found"


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_the_short_address_leads_there(http: aiohttp.ClientSession, gateway: Gateway, path: str) -> None:
    async with http.get(gateway.url + path, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/console/")
