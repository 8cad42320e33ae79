"""Where a webhook may be sent: to public addresses, which are looked at whenever a connection is made, and connected to as they
were looked at. Whoever may name an address could otherwise have the ledger call what only the operator's network can reach."""

import re
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ledger.errors import Fault, Invalid, in_words
from ledger.witness.post import NoAnswer, Reach

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PUBLIC_V6 = ip_network("2000::/3")
"""All that is given out as global unicast. What maps or translates IPv4 (::ffff:0:0/96, 64:ff9b::/96 …) lies outside of it."""
SPECIAL: tuple[Network, ...] = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
    )
)  # fmt: skip
"""The registries of special-purpose addresses (RFC 6890), Teredo and 6to4 among them. Pythons differ in what they call global."""
URL = re.compile(r"[!-~]{1,2000}")
PORTS = {443, 80}


class Allowed(NamedTuple):
    """What the settings allow beside public addresses over https: plain http, and networks."""

    http: bool = False
    networks: tuple[Network, ...] = ()


class Target(NamedTuple):
    """A receiver's address: what is connected to, and what is asked for there."""

    origin: str
    path: str


def is_public(address: Address) -> bool:
    """Whether an address belongs to a host of the internet, as far as the address tells."""
    if isinstance(address, IPv6Address) and (address not in PUBLIC_V6 or address.scope_id):
        return False
    return address.is_global and not any(address in network for network in SPECIAL)


def target_of(url: str, allowed: Allowed) -> Target:
    """Raises Invalid."""
    try:
        parts = urlsplit(url)
        port = parts.port
        sound = URL.fullmatch(url) and parts.hostname and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        sound, port = None, None
    if not sound or parts.scheme not in ("https", "http"):
        raise _bad("a webhook has an address such as https://example.org/hook, with neither user nor fragment")
    if parts.scheme == "http" and not allowed.http:
        raise _bad("a webhook is sent over https; LEDGER_WEBHOOK_HTTP=1 allows http, for tests and development")
    if port is not None and port not in PORTS and port < 1024:
        raise _bad(f"port {port} belongs to another service: webhooks go to 443, or to 1024 and above")
    query = f"?{parts.query}" if parts.query else ""
    return Target(f"{parts.scheme}://{parts.netloc}", f"{parts.path or '/'}{query}")


def _bad(detail: str) -> Invalid:
    return Invalid(detail, [Fault("url", detail, "bad_address")])


def reach_of(networks: Sequence[Network]) -> Reach:
    """How a host is reached: every address that its name has must be public, or in one of the networks."""

    def reach(host: str, port: int, timeout_s: float) -> socket.socket:
        ends = monotonic() + timeout_s
        found = _resolved(host, port)
        if bad := next(
            (one for one in map(_address, [told[4] for told in found]) if not _may_be_sent_to(one, networks)), None
        ):
            raise NoAnswer(f"{host} is at {bad}, which is no public address; LEDGER_WEBHOOK_NETWORKS may allow it")
        why: OSError = TimeoutError("timed out")
        for family, kind, protocol, _, address in found:
            try:
                return _connected(socket.socket(family, kind, protocol), address, ends)
            except OSError as error:
                why = error
        raise why

    return reach


def _resolved(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        why = in_words(error) if isinstance(error, OSError) else "it is no name of a host"
        raise NoAnswer(f"{host} is not found: {why}") from None


def _address(found: tuple[Any, ...]) -> Address:
    """With the zone, where one is named: it leads to another network."""
    name, zone = found[0], found[3] if len(found) == 4 else 0
    return ip_address(f"{name}%{zone}" if zone and "%" not in name else name)


def _may_be_sent_to(address: Address, networks: Sequence[Network]) -> bool:
    return is_public(address) or any(address in network for network in networks)


def _connected(sock: socket.socket, address: tuple[Any, ...], ends: float) -> socket.socket:
    try:
        sock.settimeout(max(ends - monotonic(), 0.001))
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock
