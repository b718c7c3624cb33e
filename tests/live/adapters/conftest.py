"""Gateways that serve MCP, in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from support.browser import find_node, install_packages
from support.mcp_programs import PACKAGE

from stenogram.adapters.mcp import mcp_endpoint
from stenogram.api.http.asgi import AsgiMount
from stenogram.api.server import Gateway, running
from stenogram.api.settings import Settings
from stenogram.api.views.storage import NO_VIEWS

MOUNTS = [AsgiMount("/mcp", mcp_endpoint)]
StartBoard = Callable[..., Awaitable[Gateway]]


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the programs of the protocol's makers."""
    found = find_node()
    if found is None:
        pytest.skip("no Node: install it (Debian: nodejs npm)")
    install_packages(PACKAGE)
    return found


@pytest.fixture
async def start_board(tmp_path: Path) -> AsyncIterator[StartBoard]:
    """Starts gateways with MCP."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Gateway:
            chosen = {
                "log": str(tmp_path / "log.db"),
                "port": 0,
                "drain": 0.1,
                "views": NO_VIEWS,
                "views_in": "gateway",
            }
            return await stack.enter_async_context(running(Settings(**{**chosen, **settings}), MOUNTS))

        yield start


@pytest.fixture
async def board(start_board: StartBoard) -> Gateway:
    """A gateway with MCP."""
    return await start_board()
