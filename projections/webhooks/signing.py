"""Secrets and signatures of webhooks, as Standard Webhooks 1.0 has them (HMAC-SHA256, ``v1``).

No secret is stored: each is made of a key in a file, which neither the service nor a copy of the database has, and of what tells
the webhook and the generation of its secret.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from hmac import digest
from pathlib import Path
from secrets import token_bytes
from uuid import UUID

from ledger.errors import Misconfigured, in_words
from ledger.files import check_private, write_new

KEY_BYTES = 32
PREFIX = "whsec_"


class SecretKey:
    """What secrets are made of."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def read(cls, path: Path) -> "SecretKey":
        """Raises Misconfigured."""
        try:
            check_private(path, "the key of the webhooks")
            key = b64decode(path.read_text().strip(), validate=True)
        except OSError as error:
            raise Misconfigured(f"the key of the webhooks cannot be read: {in_words(error)}") from None
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"{path} is no key of webhooks, which is {KEY_BYTES} bytes in base64")
        return cls(key)

    @classmethod
    def ensure(cls, path: Path) -> "SecretKey":
        """The key in a file, which is made where there is none. Raises Misconfigured."""
        if not path.exists():
            write_new(path, b64encode(token_bytes(KEY_BYTES)) + b"\n")
        return cls.read(path)

    def secret(self, webhook: UUID, generation: int) -> bytes:
        return digest(self._key, f"webhook {webhook} {generation}".encode(), "sha256")


def shown(secret: bytes) -> str:
    """A secret as its receiver is given it, once."""
    return PREFIX + b64encode(secret).decode()


def fingerprint(secret: bytes) -> bytes:
    """What may be stored of a secret: it tells another secret from this one, and nothing more."""
    return sha256(secret).digest()


def signatures(secrets: Iterable[bytes], message_id: str, timestamp: int, body: str) -> str:
    """The header ``webhook-signature``: one for each secret that is in use."""
    signed = f"{message_id}.{timestamp}.{body}".encode()
    return " ".join([f"v1,{b64encode(digest(secret, signed, 'sha256')).decode()}" for secret in secrets])
