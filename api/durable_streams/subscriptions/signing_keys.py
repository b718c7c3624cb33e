"""The keys that sign webhooks: Ed25519, the first for signing, all of them published so that receivers find them."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence

import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ....domain.errors import ConfigurationError


class SigningKeys:
    """From keys in PEM; with none, of one that is made now and is gone with the process. Raises ConfigurationError."""

    def __init__(self, pems: Sequence[str]) -> None:
        self._keys = [_read(pem) for pem in pems] or [Ed25519PrivateKey.generate()]

    @property
    def kid(self) -> str:
        """What the key that signs is called."""
        return _kid(self._keys[0])

    def signature(self, body: bytes, time: int) -> str:
        """The header of a webhook that is sent at a time, in seconds since 1970."""
        signed = _base64(self._keys[0].sign(b"%d." % time + body))
        return f"t={time},kid={self.kid},ed25519={signed}"

    def jwks(self) -> bytes:
        """The public keys, as a JSON Web Key Set (RFC 7517)."""
        about = {"use": "sig", "alg": "EdDSA"}
        return orjson.dumps({"keys": [{**_public(key), "kid": _kid(key), **about} for key in self._keys]})


def _read(pem: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            "STENOGRAM_WEBHOOK_KEYS is a JSON list of Ed25519 private keys in PEM, each beginning with -----BEGIN "
            "PRIVATE KEY-----; `openssl genpkey -algorithm ed25519` makes one."
        )
    return key


def _public(key: Ed25519PrivateKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64(key.public_key().public_bytes_raw())}


def _kid(key: Ed25519PrivateKey) -> str:
    """The thumbprint of the key (RFC 7638)."""
    return "ds_" + _base64(hashlib.sha256(orjson.dumps(_public(key))).digest())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
