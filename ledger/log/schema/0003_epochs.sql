-- From one rollback of the ledger to the next. While the epoch stays, the log only grows; a restored backup, or a
-- failover that lost entries, begins another: then positions may stand for other entries than before.
alter table head add column epoch text collate "C" not null default left(replace(gen_random_uuid()::text, '-', ''), 16);
alter table head alter column epoch drop default;

create table epochs (
    epoch    text        collate "C" primary key,
    began_at timestamptz not null default clock_timestamp(),
    size     bigint      not null,  -- how many entries there were
    reason   text        not null
);

insert into epochs (epoch, size, reason)
select epoch,
       size,
       'the ledger began to count epochs'
  from head;

create trigger epochs_are_never_changed
    before update or delete or truncate on epochs
    for each statement execute function refuse_change();

alter table epochs enable always trigger epochs_are_never_changed;

grant select, insert on epochs to {service};
grant update (epoch) on head to {service};
