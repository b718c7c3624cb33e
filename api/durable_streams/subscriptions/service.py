"""What a gateway has for subscriptions: the settings' consequences, and what works for each tenant."""

from collections import Counter

from ....domain.concepts.stream_subscriptions import Subscription
from ....domain.errors import LogReadOnly, NotReady
from ....domain.ids import SessionId
from ....log.log import Log
from ...settings import Settings
from ...tenants.tenant import Tenant
from .keeper import SubscriptionKeeper
from .lease_tokens import LeaseTokens
from .signing_keys import SigningKeys
from .webhook_rules import WebhookRules
from .webhook_sender import WebhookSender
from .workers import Workers


class Subscriptions:
    """Of one gateway. Raises ConfigurationError for settings that cannot be."""

    def __init__(self, settings: Settings) -> None:
        self.keys = SigningKeys(settings.webhook_keys)
        self.tokens = LeaseTokens(settings)
        self.sender = WebhookSender(WebhookRules(settings.webhooks, settings.webhook_networks), self.keys)
        self.most = settings.durable_streams_subscriptions if settings.durable_streams else 0
        self.deliveries: Counter[str] = Counter()
        """Wakes that were told, or could not be, by what became of them."""
        self._public_url = settings.public_url
        self._keepers: dict[str, SubscriptionKeeper] = {}

    def keeper(self, tenant: Tenant) -> SubscriptionKeeper | None:
        """What is to work beside a tenant's log, from when it opens; None where nothing is."""
        if not self.most or not self.tokens.usable or not tenant.log.engine.writable:
            return None
        workers = Workers(tenant.log, tenant.name, self.sender, self.tokens, self.deliveries)
        keeper = self._keepers[tenant.name] = SubscriptionKeeper(tenant.log, tenant.name, workers)
        return keeper

    def kept_in(self, tenant: Tenant) -> SubscriptionKeeper:
        """What works beside a tenant's log. Raises LogReadOnly and NotReady."""
        if not tenant.log.engine.writable:
            raise LogReadOnly("This gateway only reads; subscribe at one that writes the log.")
        keeper = self._keepers.get(tenant.name)
        if keeper is None or not self.tokens.usable:
            raise NotReady("This gateway has no key for subscriptions; an operator sets STENOGRAM_WEBHOOK_KEYS.")
        return keeper

    @property
    def count(self) -> int:
        """Subscriptions of the tenants that have been open here."""
        return sum(keeper.count for keeper in self._keepers.values())

    def base(self, origin: str) -> str:
        """The address of the gateway, as clients know it, who call it by this one."""
        return (self._public_url or origin).removesuffix("/")


async def current(log: Log, session: SessionId) -> Subscription | None:
    """The subscription of a session, as this gateway knows it."""
    return (await log.state(session)).stream_subscriptions.current(session)
