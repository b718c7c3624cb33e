"""A raw reader of events over plain HTTP, a page at a time."""

from typing import Any

import aiohttp
import orjson

from support.wire.follower import Follower


class PageReader:
    """Pages through `url` into a follower; `place` is the `to` of the last page."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, follower: Follower, place: int | str | None = None
    ) -> None:
        self.follower = follower
        self.place = follower.at if place is None else place
        self.caught_up = False
        self._http = http
        self._url = url

    async def next(self, *, headers: dict[str, str] | None = None, **query: Any) -> int:
        """Read one page; returns how many events it had."""
        params = {"after": str(self.place), **{name: str(value) for name, value in query.items()}}
        async with self._http.get(self._url, params=params, headers=headers) as response:
            page = orjson.loads(await response.read())
            assert response.status == 200, page
        if gap := page.get("gap"):
            self.follower.receive({"frame": "gap", **gap})
        self.follower.extend(page["events"], page["to"])
        self.place, self.caught_up = page["to"], page["caught_up"]
        assert self.caught_up == (page["to"] == page["head"])
        return len(page["events"])
