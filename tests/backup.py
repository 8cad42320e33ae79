"""A ledger put back to how it was: what a restored backup does, and a failover that loses the last commits."""

from psycopg import sql

from ledger.database.connection import Connection, LedgerLocation
from ledger.database.embedded import Embedded

TABLES = """
    select schemaname, tablename
      from pg_tables
     where schemaname = any(%s)"""
COLUMNS = """
    select string_agg(quote_ident(column_name), ', ' order by ordinal_position)
      from information_schema.columns
     where table_schema = %s and table_name = %s and is_generated = 'NEVER'"""
TRIGGERS = """
    select tgname, case tgenabled when 'A' then 'always' else '' end
      from pg_trigger
     where tgrelid = %s::regclass and not tgisinternal"""


class Backup:
    """All rows of a ledger and its projections, as they are now."""

    def __init__(self, server: Embedded, location: LedgerLocation) -> None:
        self.owner_dsn = server.owner_dsn
        self.schema = sql.Identifier(f"{location.schema}_backup")
        with self._owner() as owner:
            owner.execute(sql.SQL("create schema {}").format(self.schema))
            tables = owner.execute(TABLES, [[location.schema, location.projections]]).fetchall()
            self.tables = [(schema, name) for schema, name in tables if name != "migrations"]
            for schema, name in self.tables:
                copy = sql.SQL("create table {}.{} as table {}.{}")
                owner.execute(copy.format(self.schema, *map(sql.Identifier, (name, schema, name))))

    def restore(self) -> None:
        """Put all rows back, past every trigger."""
        with self._owner() as owner, owner.transaction():
            owner.execute("set local session_replication_role = replica")  # foreign keys are not looked at
            for schema, name in self.tables:
                self._restore(owner, schema, name)

    def _restore(self, owner: Connection, schema: str, name: str) -> None:
        table = sql.Identifier(schema, name)
        triggers = owner.execute(TRIGGERS, [f"{schema}.{name}"]).fetchall()
        [columns] = owner.execute(COLUMNS, [schema, name]).fetchone() or [""]
        owner.execute(sql.SQL("alter table {} disable trigger user").format(table))
        owner.execute(sql.SQL("delete from {}").format(table))
        back = sql.SQL("insert into {} ({columns}) select {columns} from {}.{}")
        owner.execute(back.format(table, self.schema, sql.Identifier(name), columns=sql.SQL(columns)))
        for trigger, always in triggers:
            enable = sql.SQL("alter table {} enable {always} trigger {}")
            owner.execute(enable.format(table, sql.Identifier(trigger), always=sql.SQL(always)))

    def _owner(self) -> Connection:
        return Connection.connect(self.owner_dsn, autocommit=True)
