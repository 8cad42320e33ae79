-- Who is sent entries as they are recorded: what of them, where to, and how far that is. No secret stands here: secrets are made of
-- the id, the generation and a key in a file, and what is kept of the newest tells only whether that file is the right one.
create table webhooks (
    name            text        collate "C" primary key,
    id              uuid        not null unique default gen_random_uuid(),
    url             text        not null,
    types           text[]      not null,
    subjects        text[]      not null,
    kinds           text[]      not null,
    authors         text[]      not null,
    generation      integer     not null default 1,
    rotated_at      timestamptz,           -- since when the secret before the newest is on its way out
    secret_sha256   bytea       not null check (octet_length(secret_sha256) = 32),
    created_at      timestamptz not null default clock_timestamp(),
    epoch           text        collate "C" not null,
    position        bigint      not null,  -- up to here all that is wanted was taken by the receiver
    entry_id        uuid,                  -- of the entry there
    delivered_at    timestamptz,
    failures        integer     not null default 0,
    failing_since   timestamptz,
    next_attempt_at timestamptz,
    trouble         text,
    disabled_at     timestamptz
);

grant select, insert, delete on webhooks to {service};
grant update (generation, rotated_at, secret_sha256, epoch, position, entry_id, delivered_at, failures, failing_since,
              next_attempt_at, trouble, disabled_at)
   on webhooks to {service};
