"""What the command line reads through a gateway, and through a proxy before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from stenogram.cli.options import Place
from stenogram.cli.source.gateway import GatewaySource
from stenogram.client.errors import Unreachable

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """Everything is answered by `handler`, at this URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


async def test_it_goes_on_at_a_place_with_its_epoch() -> None:
    asked: list[str] = []

    async def pages(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["after"])
        headers = {"Stenogram-To": "1", "Stenogram-Resume": "abc.v1"}
        headers["Stenogram-Caught-Up"] = str(len(asked) == 2).lower()
        return web.Response(body=b"{}\n", headers=headers)

    async with served(pages) as url, GatewaySource(Place(url)) as source:
        assert [page async for page in source.read_all()] == [[b"{}"], [b"{}"]]
    assert asked == ["0", "abc.v1"]


@pytest.mark.parametrize(("status", "says"), [(502, "reaches no gateway; try again"), (418, "check the URL")])
async def test_what_a_proxy_answers_itself_is_told_from_a_wrong_url(status: int, says: str) -> None:
    async def proxy(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<html>")

    async with served(proxy) as url, GatewaySource(Place(url)) as source:
        with pytest.raises(Unreachable, match=says):
            [page async for page in source.read_all()]
