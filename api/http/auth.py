"""API keys: made once, shown once, kept as a digest; and what each role may do."""

import logging
from collections.abc import Iterable
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any, NamedTuple

import psycopg

from ledger.database.connection import Connection, is_read_only, sql_blocks
from ledger.database.failures import READ_ONLY
from ledger.errors import Denied, Invalid, NotFound
from ledger.settings import ACTOR_NAME

SQL = sql_blocks("api.http", "auth.sql")
KEY_BYTES = 32
log = logging.getLogger("ledger.http")


class Role(IntEnum):
    """Each may do what those before it may: read; see the names of persons, and what opens commitments; append."""

    reader = 1
    auditor = 2
    admin = 3


class Holder(NamedTuple):
    """Whose key it is. The name is what the ledger records as ``authid``."""

    name: str
    role: Role


Holders = dict[bytes, Holder]
"""Whose keys are known, each by its digest. The key itself is nowhere, and never compared."""


class KeyRow(NamedTuple):
    name: str
    role: str
    created_at: datetime
    revoked_at: datetime | None


def create_key(connection: Connection, name: str, role: Role, key: str | None = None) -> str:
    """Make a key, or take the one given; returns it, and it is never to be had again. Raises Invalid."""
    if not ACTOR_NAME.fullmatch(name):
        raise Invalid(f"{name!r} is no name for a key: use small letters, digits, dots and dashes")
    key = key or f"pl_{token_urlsafe(KEY_BYTES)}"
    try:
        connection.execute(SQL["create"], {"name": name, "key_sha256": digest(key), "role": role.name})
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "api_keys_name":
            raise Invalid(f"there is a key for {name!r} already: revoke it first") from None
        raise Invalid("LEDGER_ADMIN_KEY is somebody else's key, or was revoked: take another") from None
    return key


def revoke_key(connection: Connection, name: str) -> None:
    """Raises NotFound where nobody of that name has a key."""
    if connection.execute(SQL["revoke"], {"name": name}).rowcount == 0:
        raise NotFound(f"there is no key for {name!r}")


def list_keys(connection: Connection) -> list[KeyRow]:
    return [KeyRow(*row) for row in connection.execute(SQL["list"])]


def ensure_admin_key(connection: Connection, key: str, name: str = "admin") -> None:
    """See to it that this very key is an admin's; it takes the place of another one of the same name, which is revoked,
    and may take its place again. Raises Invalid.

    On a server that takes no changes nothing is done, and said where the key opens nothing.
    """
    if is_read_only(connection):
        holder = find_key(connection, key)
        if holder is None or holder.role < Role.admin:
            log.warning("the admin key is none here, and cannot be made one: %s", READ_ONLY)
        return
    with connection.transaction():
        connection.execute(SQL["lock"])
        holder = find_key(connection, key)
        if holder is None or holder.role < Role.admin:
            _replace(connection, key, name)


def _replace(connection: Connection, key: str, name: str) -> None:
    replaced = connection.execute(SQL["revoke"], {"name": name}).rowcount
    if not (replaced and connection.execute(SQL["restore"], {"name": name, "key_sha256": digest(key)}).rowcount):
        create_key(connection, name, Role.admin, key)
    if replaced:
        log.warning("LEDGER_ADMIN_KEY is another one than before: the former key is revoked, until it is set again")


def find_key(connection: Connection, key: str) -> Holder | None:
    """Whose key this is."""
    return holders(connection.execute(SQL["keys"], {"digests": [digest(key)]}).fetchall()).get(digest(key))


def holders(rows: Iterable[tuple[Any, ...]]) -> Holders:
    """Who holds which key, from rows that begin with name, role and digest; nulls where there is no such key."""
    return {key_sha256: Holder(name, Role[role]) for name, role, key_sha256, *_ in rows if key_sha256}


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


def bearer(header: str | None) -> str | None:
    """The key in an Authorization header; None where there is no header. Raises Denied for another scheme."""
    if header is None:
        return None
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Denied("the Authorization header must say Bearer and a key")
    return key.strip()


def allow(known: Holders, header: str | None, needed: Role) -> Holder:
    """The holder of the key in the header, if the role is enough. Raises Denied."""
    key = bearer(header)
    if key is None:
        raise Denied("this needs a key: send Authorization: Bearer and the key")
    holder = known.get(digest(key))
    if holder is None:
        raise Denied("the key is unknown, or was revoked")
    if holder.role < needed:
        raise Denied(f"this needs the role {needed.name}, and {holder.name} has {holder.role.name}", known=True)
    return holder
