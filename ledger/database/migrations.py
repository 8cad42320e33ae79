"""The ledger's schema: migrations, the rights of the service's role, and whether both are as they must be."""

from contextlib import suppress
from hashlib import sha256
from importlib.resources import files

import psycopg
from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation, read_dsn, sql_blocks
from ledger.errors import Misconfigured


def migrate(owner_dsn: str, location: LedgerLocation) -> list[str]:
    """Bring the ledger's schema up to date as its owner, and give the service's role its rights.

    Returns what was done, a sentence each. Raises Misconfigured where a file that was run has changed, Unavailable where
    the server is not to be had.
    """
    with LedgerLocation(owner_dsn, location.schema, location.timeouts).connect(location.schema, patient=True) as owner:
        _ensure_service(owner, location)
        with owner.transaction():
            owner.execute("set local lock_timeout = 0")  # another who migrates is waited for until he is done,
            owner.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"migrate {location.schema}"])
            owner.execute("set local lock_timeout to default")  # and others than him do not wait behind us for long
            _ensure_schema(owner, location)
            run = [f"ran {name}" for number, name, text in migrations() if _run(owner, location, number, name, text)]
            return run + _give_rights(owner, location)


def migrations() -> list[tuple[int, str, str]]:
    """Number, name and text of each migration, in order."""
    found = sorted(file.name for file in files("ledger.log").joinpath("schema").iterdir() if file.name.endswith(".sql"))
    return [(int(name[:4]), name, files("ledger.log").joinpath("schema", name).read_text()) for name in found]


def _ensure_service(owner: Connection, location: LedgerLocation) -> None:
    user, password = _user(location), read_dsn(location.dsn).get("password")
    if not owner.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone():
        create = sql.SQL("create role {} login").format(sql.Identifier(user))
        if password:  # the server, and its log, get to see no more than it keeps
            secret = owner.pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
            create += sql.SQL(" password {}").format(secret.decode())
        with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # roles are the cluster's
            owner.execute(create)


def _user(location: LedgerLocation) -> str:
    user = read_dsn(location.dsn).get("user")
    if not user:
        raise Misconfigured("LEDGER_DSN must name the user that the service runs as")
    return str(user)


def _ensure_schema(owner: Connection, location: LedgerLocation) -> None:
    owner.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(location.schema)))
    owner.execute("""
        create table if not exists migrations (
            number integer primary key, name text not null, sha256 text not null,
            applied_at timestamptz not null default clock_timestamp()
        )""")


def _run(owner: Connection, location: LedgerLocation, number: int, name: str, text: str) -> bool:
    digest = sha256(text.encode()).hexdigest()
    known = owner.execute("select sha256 from migrations where number = %s", [number]).fetchone()
    if known:
        if known[0] != digest:
            raise Misconfigured(f"the migration {name} was changed after it had been run: restore the file")
        return False
    owner.execute(sql.SQL(text).format(**_identifiers(location)))
    owner.execute("insert into migrations (number, name, sha256) values (%s, %s, %s)", [number, name, digest])
    return True


def _give_rights(owner: Connection, location: LedgerLocation) -> list[str]:
    """What the service may do, again: a dump that was restored may know nothing of its role."""
    rights, names, done = sql_blocks("ledger.database", "rights.sql"), _names(location), []
    stranger = owner.execute(rights["strangers"], names).fetchone()
    if stranger and stranger != (owner.info.user,):
        raise Misconfigured(
            f"what is derived belongs to {stranger[0]}, and LEDGER_DSN names {_user(location)}: name that role, or drop the "
            f"schemas {location.projections} and {location.rebuild}, which are built anew"
        )
    if stranger:
        owner.execute(sql.SQL(rights["drop_derived"]).format(**_identifiers(location)))
        done.append("dropped what is derived, as it was another role's: the follower builds it anew")
    before = owner.execute(rights["held"], names).fetchone()
    owner.execute(sql.SQL(rights["give"]).format(**_identifiers(location)))
    if owner.execute(rights["held"], names).fetchone() != before:
        done.append(f"gave {_user(location)} its rights")
    return done


def _names(location: LedgerLocation) -> dict[str, str]:
    derived = {"projections": location.projections, "rebuild": location.rebuild}
    return {"schema": location.schema, "service": _user(location), **derived}


def _identifiers(location: LedgerLocation) -> dict[str, sql.Identifier]:
    return {key: sql.Identifier(name) for key, name in _names(location).items()}


def check_schema(connection: Connection, location: LedgerLocation) -> None:
    """Raises Misconfigured unless the schema is up to date and the service's role cannot change what is recorded."""
    try:
        table = connection.execute("select to_regclass(%s)", [f"{location.schema}.migrations"]).fetchone()
        if table is None or table[0] is None:
            raise Misconfigured(f"the database holds no ledger in schema {location.schema!r}: run `ledger migrate`")
        run = {row[0] for row in connection.execute("select number from migrations")}
    except psycopg.errors.InsufficientPrivilege:
        raise Misconfigured(
            f"{_user(location)} has no rights in schema {location.schema!r}: run `ledger migrate`"
        ) from None
    if missing := [name for number, name, _ in migrations() if number not in run]:
        raise Misconfigured(f"the schema is behind by {', '.join(missing)}: run `ledger migrate`")
    if may_change(connection):
        raise Misconfigured(
            "the service's role could change entries: give LEDGER_DSN a role of its own, LEDGER_OWNER_DSN the owner, "
            "and run `ledger migrate`"
        )
    if not is_guarded(connection):
        raise Misconfigured("the trigger that guards entries was dropped or disabled: restore it before going on")


def may_change(connection: Connection) -> bool:
    """Whether the connected role could alter entries, or the trigger that guards them."""
    row = connection.execute("""
        select pg_has_role(current_user, relowner, 'member')
            or pg_has_role(current_user, nspowner, 'member')
            or has_any_column_privilege('entries', 'update')
            or has_table_privilege('entries', 'delete')
            or has_table_privilege('entries', 'truncate')
          from pg_class
          join pg_namespace on pg_namespace.oid = relnamespace
         where pg_class.oid = 'entries'::regclass""").fetchone()
    return row is not None and bool(row[0])


def is_guarded(connection: Connection) -> bool:
    """Whether the triggers are there, and fire always."""
    row = connection.execute("""
        select count(*)
          from pg_trigger
         where tgrelid = 'entries'::regclass
           and tgname in ('entries_are_never_changed', 'versions_follow', 'erased_names_go')
           and tgenabled = 'A'""").fetchone()
    return row == (3,)
