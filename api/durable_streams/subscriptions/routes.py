"""The routes of subscriptions. What else is below `__ds/` is no stream: no path of one begins so."""

from aiohttp import web

from ..service import StreamService
from .leasing import WorkDesk
from .managing import SubscriptionManager
from .names import CONTROL, SUBSCRIPTIONS
from .service import Subscriptions


class SubscriptionRoutes:
    """Of one gateway."""

    def __init__(self, service: StreamService, subscriptions: Subscriptions) -> None:
        self._keys = subscriptions.keys
        self._manager = SubscriptionManager(service, subscriptions)
        self._desk = WorkDesk(service, subscriptions)

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        one, router = SUBSCRIPTIONS + "{id}", app.router
        router.add_get(CONTROL + "jwks.json", self._jwks, allow_head=False)
        router.add_put(one, self._manager.create)
        router.add_get(one, self._manager.show, allow_head=False)
        router.add_delete(one, self._manager.delete)
        router.add_post(one + "/streams", self._manager.add_streams)
        router.add_delete(one + "/streams/{path:.+}", self._manager.remove_stream)
        router.add_post(one + "/claim", self._desk.claim)
        router.add_post(one + "/ack", self._desk.ack)
        router.add_post(one + "/callback", self._desk.ack)
        router.add_post(one + "/release", self._desk.release)

    async def _jwks(self, _: web.Request) -> web.Response:
        """The public keys of webhooks; anybody may ask."""
        headers = {"Cache-Control": "public, max-age=300"}
        return web.Response(body=self._keys.jwks(), content_type="application/jwk-set+json", headers=headers)
