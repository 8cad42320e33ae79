-- What the log's key has signed: promises, and never derived. Each checkpoint names the one before it, so that no two
-- ever follow on the same one, whoever signs.
create table checkpoints (
    origin    text        collate "C" not null,
    size      bigint      not null check (size > 0),
    previous  bigint      check (previous < size),
    root      bytea       not null check (octet_length(root) = 32),
    note      text        not null,
    signed_at timestamptz not null default clock_timestamp(),
    number    bigint      not null unique,  -- in the order of signing, whatever the clock says
    primary key (origin, size),
    foreign key (origin, previous) references checkpoints (origin, size),
    constraint checkpoints_follow unique nulls not distinct (origin, previous)
);

-- What witnesses say of them: a line of the signed note each.
create table cosignatures (
    origin      text        collate "C" not null,
    size        bigint      not null,
    witness     text        collate "C" not null,  -- the name and the id of its key
    line        text        not null,
    cosigned_at timestamptz not null,
    primary key (origin, size, witness),
    foreign key (origin, size) references checkpoints (origin, size)
);

-- Names that went with a database: their entries came back from a copy of the tiles, which holds none.
create table lost_disclosures (
    entry_id uuid not null references entries (entry_id),
    pointer  text not null,
    primary key (entry_id, pointer)
);

-- The public keys that have signed, in text.
create table log_keys (
    vkey     text        primary key,
    added_at timestamptz not null default clock_timestamp()
);

create function refuse_rewriting() returns trigger language plpgsql as $$
begin
    raise exception '% are never changed: they were signed', tg_table_name
        using errcode = 'integrity_constraint_violation';
end
$$;

create trigger checkpoints_are_never_changed
    before update or delete or truncate on checkpoints
    for each statement execute function refuse_rewriting();

create trigger cosignatures_are_never_changed
    before update or delete or truncate on cosignatures
    for each statement execute function refuse_rewriting();

create trigger log_keys_are_never_changed
    before update or delete or truncate on log_keys
    for each statement execute function refuse_rewriting();

alter table log_keys enable always trigger log_keys_are_never_changed;
alter table checkpoints enable always trigger checkpoints_are_never_changed;
alter table cosignatures enable always trigger cosignatures_are_never_changed;

-- Where the log is not what was signed, nothing is recorded beyond ``stopped_at`` until that is resolved.
alter table head
    add column stopped_at     bigint,
    add column stopped_reason text,
    add constraint head_is_stopped check (size <= stopped_at);

grant select, insert on checkpoints, cosignatures, log_keys, lost_disclosures to {service};
grant update (stopped_at, stopped_reason) on head to {service};
