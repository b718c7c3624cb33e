"""Where a token is checked: from it, or on an open gateway from what the client claims, to a principal."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import jwt
from aiohttp import web
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from immutables import Map
from pydantic import AfterValidator, TypeAdapter, ValidationError

from ...domain.audience import RESERVED
from ...domain.errors import ConfigurationError, Invalid, Unauthenticated
from ...domain.ids import NAME_PATTERN, Name
from ...domain.model import KINDS, TIMEKEEPER, Kind
from ..settings import Settings
from .principal import EVERYTHING, Principal
from .refused_tokens import UNREADABLE, refusal_of
from .rights import OPERATE, RECORD, RIGHTS

ANONYMOUS = "user"
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
"""Who makes a request, once that is known."""
RUN_HEADER = "Stenogram-Run"
"""In which an HTTP request says which run of the participant it comes from, as `run` in `hello` does."""
MIN_RSA_BITS = 2_048
_SCOPES = ("read", "write", "audit", OPERATE, RECORD, *RIGHTS)


def _not_reserved(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} is the name of an audience")
    if name == TIMEKEEPER.id:
        raise ValueError(f"{name!r} is the gateway's own name")
    return name


_TENANT: TypeAdapter[str] = TypeAdapter(Name)
ParticipantName = Annotated[Name, AfterValidator(_not_reserved)]
"""What a participant may be called."""
_PARTICIPANT: TypeAdapter[str] = TypeAdapter(ParticipantName)


class Authenticator:
    """Knows the keys. Raises ConfigurationError at once when one cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self._open = settings.open
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._key: Any = settings.jwt_secret
        self._algorithms = ["HS256"]
        if settings.jwt_public_key is not None:
            self._key, self._algorithms = _public_key(settings.jwt_public_key)

    def principal(self, token: object, claimed: Mapping[str, Any]) -> Principal:
        """Who this is. Raises Unauthenticated, or Invalid for a malformed claim on an open gateway."""
        if self._open:
            if token is not None:
                raise Unauthenticated("This gateway runs open and has no keys to check a token with; leave it out.")
            return Principal(*_claimed(claimed), audit=())
        if not isinstance(token, str) or not token:
            raise Unauthenticated(
                "This gateway wants a token: in hello, in Authorization: Bearer, or in ?token=; "
                "of the command line, by --token or STENOGRAM_TOKEN."
            )
        return _principal(self._decode(token))

    def of_request(self, request: web.Request) -> Principal:
        """Who makes an HTTP request."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else request.query.get("token")
        principal, run = self.principal(bearer, request.query), request.headers.get(RUN_HEADER)
        if run is not None and (len(run) > 128 or not re.fullmatch(NAME_PATTERN, run)):
            raise Invalid(f"{RUN_HEADER} is 1 to 128 of A-Z a-z 0-9 . _ : @ + -, beginning with a letter or digit.")
        request[PRINCIPAL] = principal = principal._replace(run=run)
        return principal

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=self._algorithms,
                issuer=self._issuer,
                audience=self._audience,
                options={"require": ["exp", "sub"], "verify_aud": self._audience is not None},
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(refusal_of(error, self._algorithms)) from None
        except (ValueError, OverflowError, TypeError, RecursionError):  # what its JSON may do to a reader
            raise Unauthenticated(UNREADABLE) from None
        return claims


def check_claims(claims: Mapping[str, Any]) -> None:
    """Whether a gateway would make something of a token with these. Raises Invalid, with what is wrong."""
    for scope in claims.get("scopes", ()):
        right, _, pattern = scope.partition(":")
        if right not in _SCOPES or not pattern:
            raise Invalid(
                f"{scope!r} is no scope: write a right and a pattern of sessions, such as read:trip-*. "
                f"Rights are {', '.join(_SCOPES)}."
            )
        if right == OPERATE and pattern != "*":
            raise Invalid(f"{scope!r}: views are of all sessions; write {OPERATE}:*.")
    try:
        _principal(dict(claims))
    except Unauthenticated:
        raise Invalid(
            f"sub and tenant are 1 to 128 of A-Z a-z 0-9 . _ : @ + -, beginning with a letter or digit; and sub is not "
            f"one of {', '.join(sorted({*RESERVED, TIMEKEEPER.id}))}."
        ) from None


def _public_key(pem: str) -> tuple[Any, list[str]]:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(
            "STENOGRAM_JWT_PUBLIC_KEY is no public key in PEM, which begins with -----BEGIN PUBLIC KEY----- with its "
            "lines as they are; `stenogram keys new` makes one."
        ) from None
    if isinstance(key, RSAPublicKey):
        if key.key_size < MIN_RSA_BITS:
            raise ConfigurationError(f"An RSA key must have at least {MIN_RSA_BITS} bits (RFC 7518 §3.3).")
        return key, ["RS256"]
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        return key, ["EdDSA"]
    raise ConfigurationError("STENOGRAM_JWT_PUBLIC_KEY must be an RSA (RS256) or Ed25519 (EdDSA) key.")


def _claimed(claimed: Mapping[str, Any]) -> tuple[str, Kind]:
    try:
        return _PARTICIPANT.validate_python(claimed.get("participant", ANONYMOUS)), _kind(claimed.get("kind", "user"))
    except ValidationError:
        raise Invalid(
            f"`participant` must be 1 to 128 of A-Z a-z 0-9 . _ : @ + - and not one of "
            f"{', '.join(sorted({*RESERVED, TIMEKEEPER.id}))}."
        ) from None


def _kind(value: object) -> Kind:
    for kind in KINDS:
        if value == kind:
            return kind  # type: ignore[return-value]
    raise Invalid(f"`kind` must be one of {', '.join(KINDS)}.")


def _principal(claims: dict[str, Any]) -> Principal:
    try:
        participant = _PARTICIPANT.validate_python(claims["sub"])
        tenant = claims.get("tenant", "")
        tenant = _TENANT.validate_python(tenant) if tenant != "" else ""
        kind = _kind(claims.get("kind", "user"))
        expires = float(claims["exp"])
    except (ValidationError, Invalid, OverflowError):
        raise Unauthenticated("The token's sub, tenant, kind or exp is not of the right form.") from None
    rights = _rights(claims.get("scopes", ["read:*", "write:*"]))
    finer: Map[str, tuple[str, ...]] = Map({right: patterns for right in RIGHTS if (patterns := rights[right])})
    may = rights["read"], rights["write"], rights["audit"]
    operates = rights[OPERATE] == EVERYTHING
    return Principal(participant, kind, tenant, *may, expires, finer, operates=operates, record=rights[RECORD])


def _rights(scopes: object) -> dict[str, tuple[str, ...]]:
    if isinstance(scopes, str):
        scopes = scopes.split()
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise Unauthenticated("The token's scopes must be a list of strings such as read:trip-*.")
    rights: dict[str, tuple[str, ...]] = {}
    for right in _SCOPES:
        patterns = [scope.partition(":")[2] for scope in scopes if scope.partition(":")[0] == right]
        rights[right] = EVERYTHING if "*" in patterns else tuple(sorted(pattern for pattern in patterns if pattern))
    return rights
