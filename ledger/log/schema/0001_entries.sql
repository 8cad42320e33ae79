-- What the ledger keeps. Run by the owner; {service} is the role that the service runs as, which may add and read,
-- and never change. Names are looked up in the ledger's own schema.

create table entries (
    position    bigint      primary key,
    stream      text        collate "C" not null,
    version     integer     not null check (version > 0),
    type        text        collate "C" not null,
    entry_id    uuid        not null,
    recorded_at timestamptz not null,
    body        json        not null,  -- json, not jsonb: it keeps the exact bytes
    constraint entries_entry_id_key unique (entry_id),
    constraint entries_stream_version_key unique (stream, version)
);

create index entries_type_position on entries (type, position);

create index entries_sha256 on entries ((body #>> '{{data,sha256}}'))
    where type in ('source.registered', 'source.described');

comment on table entries is 'One immutable CloudEvents line each, in the order of commit. Never updated, never deleted.';

-- One row. A writer takes it to get its positions and holds it until its commit is done: so positions have no gaps,
-- and whoever sees position n sees all up to n.
create table head (
    only_row    boolean     primary key default true check (only_row),
    size        bigint      not null check (size >= 0),
    recorded_at timestamptz not null
);

insert into head (size, recorded_at) values (0, '0001-01-01T00:00:00Z');

create table disclosures (
    entry_id uuid  not null references entries (entry_id),
    pointer  text  not null,
    salt     bytea not null,
    value    text  not null,
    primary key (entry_id, pointer)
);

comment on table disclosures is 'The names behind the commitments in entries. Deleting a row erases the person.';

create table api_keys (
    name       text        not null,
    key_sha256 bytea       primary key check (octet_length(key_sha256) = 32),
    role       text        not null check (role in ('reader', 'auditor', 'admin')),
    created_at timestamptz not null default clock_timestamp(),
    revoked_at timestamptz
);

create unique index api_keys_name on api_keys (name) where revoked_at is null;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'entries are never changed: record a correction'
        using errcode = 'integrity_constraint_violation';
end
$$;

create trigger entries_are_never_changed
    before update or delete or truncate on entries
    for each statement execute function refuse_change();

-- always: not even session_replication_role goes round it
alter table entries enable always trigger entries_are_never_changed;

-- One document is one source. Whoever inserts holds head, so this sees all that was committed before.
create function refuse_second_source() returns trigger language plpgsql as $$
begin
    if exists (
        select from entries
         where type in ('source.registered', 'source.described')
           and body #>> '{{data,sha256}}' = new.body #>> '{{data,sha256}}'
           and stream <> new.stream
    ) then
        raise exception 'another source holds the document with this sha256' using errcode = 'unique_violation';
    end if;
    return new;
end
$$;

create trigger one_document_is_one_source
    before insert on entries
    for each row
    when (new.type in ('source.registered', 'source.described'))
    execute function refuse_second_source();

grant usage on schema {schema} to {service};
grant select, insert on entries to {service};
grant select on head to {service};
grant update (size, recorded_at) on head to {service};
grant select, insert, delete on disclosures to {service};
grant select, insert on api_keys to {service};
grant update (revoked_at) on api_keys to {service};
grant select on migrations to {service};

-- What is derived belongs to the service: it may be dropped and rebuilt at any time.
create schema {projections};
create schema {rebuild};
grant all on schema {projections} to {service};
grant all on schema {rebuild} to {service};
