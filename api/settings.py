"""Every setting of a gateway in one place: name, default, help, environment variable (`STENOGRAM_` and the name)."""

from ipaddress import ip_address
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..domain.errors import ConfigurationError
from ..domain.json.checks import MAX_DEPTH


class Settings(BaseSettings):
    """How a gateway runs."""

    model_config = SettingsConfigDict(env_prefix="STENOGRAM_", extra="ignore", frozen=True, allow_inf_nan=False)

    log: Annotated[
        str,
        Field(description="Where the log is: a path or sqlite:/// URL, a postgresql:// URL, memory: for one in memory"),
    ] = "stenogram.db"
    read_only: Annotated[
        bool, Field(description="Open the log for reading only: follow what another process writes, take no commands")
    ] = False
    views: Annotated[
        str,
        Field(
            description="Where views are kept, as the log may be; absent: beside the log, or with --read-only nowhere; "
            "none: there are no views"
        ),
    ] = ""
    views_in: Annotated[
        Literal["process", "gateway"],
        Field(
            description="Where views and the past are folded: in processes of their own beside the gateway, so that no "
            "command waits for a handler; or in the gateway's, as those in memory always are"
        ),
    ] = "process"
    views_processes: Annotated[
        int,
        Field(
            ge=0,
            le=8,
            description="How many processes beside the gateway divide the views between them; 0: one, or two where "
            "there are at least four cores",
        ),
    ] = 0
    projections: Annotated[
        tuple[str, ...], Field(description="A projection of your own, as module:attribute (JSON list)")
    ] = ()
    promote: Annotated[
        Literal["auto", "manual"],
        Field(
            description="When readers see a view that was built anew: as soon as it has caught up, or on `stenogram "
            "projections promote`"
        ),
    ] = "auto"
    host: Annotated[str, Field(description="Address to listen on; other than loopback needs keys")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes a free one")] = 8600
    jwt_secret: Annotated[str | None, Field(description="Secret for HS256 tokens, at least 32 bytes")] = None
    jwt_public_key: Annotated[str | None, Field(description="Public key in PEM, for RS256 or EdDSA tokens")] = None
    jwt_issuer: Annotated[str | None, Field(description="Required `iss` of tokens")] = None
    jwt_audience: Annotated[str | None, Field(description="Required `aud` of tokens")] = None
    origins: Annotated[
        tuple[str, ...],
        Field(description="Origins of web pages that may connect, besides the gateway's own (JSON list)"),
    ] = ()
    ag_ui: Annotated[bool, Field(description="Serve AG-UI, and the routes of CopilotKit's runtime, under /v1/agui")] = (
        True
    )
    ag_ui_agents: Annotated[
        tuple[str, ...],
        Field(
            description="Agents that pages are told of by /v1/agui/info, besides `default`, which is any (JSON list)"
        ),
    ] = ()
    ai_sdk: Annotated[bool, Field(description="Serve the UI-message streams of Vercel's AI SDK under /v1/ai")] = True
    langchain: Annotated[bool, Field(description="Serve LangChain's Agent Streaming Protocol under /v1/langchain")] = (
        True
    )
    tanstack_ai: Annotated[bool, Field(description="Serve the connections of TanStack AI under /v1/tanstack_ai")] = True
    heartbeat: Annotated[
        float, Field(gt=0, description="Seconds after which a silent client should send a heartbeat")
    ] = 5.0
    slow_after: Annotated[float, Field(gt=0, description="Seconds without progress that end a slow subscriber")] = 10.0
    drain: Annotated[float, Field(ge=0, description="Seconds that connections get to close at shutdown")] = 5.0
    frame_bytes: Annotated[int, Field(ge=1_024, description="Largest WebSocket message or HTTP body")] = 1_048_576
    recorded_bytes: Annotated[
        int, Field(ge=1_024, description="Largest HTTP body of recorded commands, and of spans, also when unpacked")
    ] = 8_388_608
    batch: Annotated[int, Field(ge=1, description="Most frames in one WebSocket message")] = 256
    depth: Annotated[int, Field(ge=4, le=MAX_DEPTH, description="Deepest nesting of JSON")] = 64
    subscriptions: Annotated[int, Field(ge=1, description="Most subscriptions of one connection")] = 100
    connections: Annotated[
        int,
        Field(ge=1, description="Most TCP connections; fewer where the process may not have as many files open"),
    ] = 50_000
    connections_per_address: Annotated[
        int, Field(ge=0, description="Most TCP connections from one address, which may be a proxy's; 0: no limit")
    ] = 0
    commands_per_second: Annotated[int, Field(ge=1, description="Most commands of one connection, per second")] = 20_000
    tenants: Annotated[int, Field(ge=2, description="Most tenants whose logs are open at once, with the main one")] = (
        1_000
    )
    tenant_idle: Annotated[
        float, Field(gt=0, description="Seconds after which the log of a tenant that nobody uses is closed")
    ] = 300.0
    traces: Annotated[
        bool,
        Field(
            description="Send a span for each command to a collector, by OpenTelemetry; its own variables (OTEL_…) say "
            "where. Needs stenogram[traces]"
        ),
    ] = False
    durable_streams: Annotated[
        bool, Field(description="Serve the Durable Streams protocol under /v1/stream/, sessions and streams alike")
    ] = True
    durable_streams_poll: Annotated[
        float, Field(gt=0, le=600, description="Seconds for which a long poll of a stream waits for what comes next")
    ] = 25.0
    durable_streams_subscriptions: Annotated[
        int,
        Field(
            ge=0,
            le=10_000,
            description="Most subscriptions of streams in one log, which wake workers; 0: there are none to be had",
        ),
    ] = 100
    webhooks: Annotated[
        tuple[str, ...],
        Field(
            description="What the addresses begin with that subscriptions of streams may call, with :* after the host "
            "for any port; none: no webhooks are sent (JSON list)"
        ),
    ] = ()
    webhook_networks: Annotated[
        tuple[str, ...],
        Field(description="Networks that are not public and that such an address may lead to (JSON list)"),
    ] = ()
    webhook_keys: Annotated[
        tuple[str, ...],
        Field(
            description="Ed25519 private keys in PEM: the first signs webhooks, the public halves of all are published "
            "(JSON list)"
        ),
    ] = ()
    public_url: Annotated[
        str,
        Field(
            description="Address of the gateway as its clients know it, which workers are told; needed for webhooks, "
            "but on an open gateway; absent: as the request has it that makes a subscription"
        ),
    ] = ""
    otlp: Annotated[
        bool, Field(description="Take spans by OpenTelemetry's protocol (OTLP/HTTP) at /v1/traces, as sessions")
    ] = True
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Field(description="What is logged")] = "info"

    @property
    def open(self) -> bool:
        """Whether anyone may connect and say who they are."""
        return self.jwt_secret is None and self.jwt_public_key is None

    def check(self) -> None:
        """Refuse what would be unsafe or cannot work. Raises ConfigurationError."""
        self.check_keys()
        for origin in self.origins:
            check_origin(origin)
        if self.webhooks and not self.webhook_keys and not self.open:
            raise ConfigurationError(
                "Webhooks are signed: with STENOGRAM_WEBHOOKS set STENOGRAM_WEBHOOK_KEYS, too, a JSON list of Ed25519 "
                "private keys in PEM (`openssl genpkey -algorithm ed25519` makes one), the same for all gateways."
            )
        if self.webhooks and not self.public_url and not self.open:
            raise ConfigurationError(
                "Workers are told, under our signature, where to call back: with STENOGRAM_WEBHOOKS set "
                "STENOGRAM_PUBLIC_URL, too, or whoever subscribes could name any other place."
            )

    def check_keys(self) -> None:
        """Refuse to be open to others than this machine, and weak keys. Raises ConfigurationError."""
        if self.open and not is_loopback(self.host):
            raise ConfigurationError(
                f"Without keys a gateway listens on loopback only, not on {self.host}. Set STENOGRAM_JWT_SECRET or "
                f"STENOGRAM_JWT_PUBLIC_KEY (`stenogram keys new` makes either), or --host 127.0.0.1."
            )
        if self.jwt_secret is not None:
            check_secret(self.jwt_secret)
        if self.jwt_secret is not None and self.jwt_public_key is not None:
            raise ConfigurationError("Set either STENOGRAM_JWT_SECRET or STENOGRAM_JWT_PUBLIC_KEY, not both.")


def check_secret(secret: str) -> None:
    """Raises ConfigurationError for one that is too short to be safe."""
    if len(secret.encode()) < 32:
        raise ConfigurationError(
            "STENOGRAM_JWT_SECRET must be at least 32 bytes long (RFC 7518 §3.2); `stenogram keys new` makes one."
        )


def check_origin(origin: str) -> None:
    """Raises ConfigurationError for what no browser sends as the origin of a page: it would never match."""
    if origin in ("*", "null"):
        raise ConfigurationError(
            f"STENOGRAM_ORIGINS cannot have {origin!r}: name each origin whose pages may connect, such as "
            f'["https://app.example.com"].'
        )
    scheme, separator, rest = origin.strip().lower().partition("://")
    host = rest.partition("/")[0]
    if not (separator and scheme and host):
        raise ConfigurationError(
            f"STENOGRAM_ORIGINS has {origin!r}, which is no origin: write scheme and host, such as "
            f'"https://{(scheme if not separator else host) or "app.example.com"}".'
        )
    usual = {"https": ":443", "http": ":80"}.get(scheme, "")
    form = f"{scheme}://{host.removesuffix(usual) if usual else host}"
    if origin != form:
        raise ConfigurationError(f'STENOGRAM_ORIGINS has {origin!r}; browsers send "{form}". Write it like that.')


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
