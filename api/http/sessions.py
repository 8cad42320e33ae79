"""Sessions of browsers. The cookie holds the key that was signed in with, encrypted: nothing of a session is kept here, and
who holds the key is looked up with each request, as of any other that comes with it."""

import re
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from secrets import token_bytes
from time import monotonic

from cryptography.fernet import Fernet, InvalidToken
from fastapi.responses import Response
from pydantic import SecretStr

COOKIE = "__Host-ledger"
LASTS_S = 12 * 3_600
"""How long a session lasts from when it began, if the key is not revoked before."""
LONGEST = 1_000
KEY = re.compile("[!-~]{1,500}")
FEW = 10
PAUSE_S = 60
ADDRESSES = 10_000


class Sessions:
    """Makes the cookies and reads them. Processes with the same secret read each other's."""

    def __init__(self, secret: SecretStr | None = None) -> None:
        given = secret.get_secret_value().encode() if secret else token_bytes(32)
        self.cipher = Fernet(urlsafe_b64encode(sha256(b"ledger session\0" + given).digest()))
        self.attempts = Attempts()

    def begin(self, response: Response, key: str) -> None:
        sealed = self.cipher.encrypt(key.encode()).decode()
        response.set_cookie(COOKIE, sealed, LASTS_S, path="/", secure=True, httponly=True, samesite="lax")

    def end(self, response: Response) -> None:
        """Also what the browser keeps of pages goes: they may show names."""
        response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
        response.headers["Clear-Site-Data"] = '"cache"'

    def key(self, cookies: bytes) -> str | None:
        """The key in a Cookie header; None where there is no session, or it is over."""
        named = [one.strip() for one in cookies.split(b";") if one.strip().startswith(COOKIE.encode() + b"=")]
        sealed = named[-1].partition(b"=")[2].strip(b'"') if named else b""  # nothing in it is escaped
        if len(sealed) > LONGEST:
            return None
        try:
            return self.cipher.decrypt(sealed, LASTS_S).decode()
        except InvalidToken:
            return None


class Attempts:
    """Attempts to sign in, by address. After a few that failed none is heard for a while; ``clock`` counts seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.clock = clock
        self.failed: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def take(self, address: str) -> int:
        """Count one, as failed until ``forget``. In how many seconds another is heard, where this one is not; else 0."""
        count, since = self.failed.get(address, (0, self.clock()))
        left = since + PAUSE_S - self.clock()
        if left <= 0:
            count, since = 0, self.clock()
        if count >= FEW:
            return int(left) + 1
        self.failed[address] = count + 1, since
        self.failed.move_to_end(address)
        if len(self.failed) > ADDRESSES:
            self.failed.popitem(last=False)
        return 0

    def forget(self, address: str) -> None:
        self.failed.pop(address, None)


def is_cross_site(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a browser says that a page of somebody else sends this: by Fetch-Metadata, else by Origin.

    What has neither comes from no browser that keeps our cookie.
    """
    if site := headers.get(b"sec-fetch-site"):
        return site not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[1:] != (b"://", headers.get(b"host", b""))
