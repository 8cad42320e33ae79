-- Erasing a name: an entry tells which name was erased and on what ground, never the name; and with that entry, in its
-- transaction, whatever it was that recorded it, the name is gone.

-- What the log tells to be erased. It follows from the entries, and is kept so that no name comes back.
create table erasures (
    entry_id uuid   not null references entries (entry_id),
    pointer  text   not null,
    position bigint not null references entries (position),  -- of the entry that tells so
    ground   text   collate "C" not null,
    primary key (entry_id, pointer)
);

-- Raised whenever names go: what was shown before is void.
alter table head add column erasures bigint not null default 0;

-- The planner's statistics would hold names, and outlive them. (Told the type that it has, a column forgets its statistics.)
alter table disclosures
    alter column value type text,
    alter column value set statistics 0;

-- The two functions that erase run with the owner's rights, as nobody else may: so the service cannot take a name away
-- without an entry that tells so.
create function erase_told() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into {schema}.erasures (entry_id, pointer, position, ground)
    select target.entry_id,
           new.body #>> '{{data,pointer}}',
           new.position,
           new.body #>> '{{data,ground}}'
      from {schema}.entries as target
     where target.stream = new.stream
       and new.body #>> '{{data,target}}' in (target.position::text, target.entry_id::text)
    on conflict do nothing;

    delete from {schema}.disclosures
     using {schema}.erasures
     where erasures.position = new.position
       and disclosures.entry_id = erasures.entry_id
       and disclosures.pointer = erasures.pointer;

    update {schema}.head
       set erasures = erasures + 1
     where only_row;
    return null;
end
$$;

create trigger erased_names_go
    after insert on entries
    for each row
    when (new.type = 'entry.value_erased')
    execute function erase_told();

alter table entries enable always trigger erased_names_go;

-- What was sent again, or is put back, brings no erased name back.
create function refuse_erased() returns trigger language plpgsql security definer set search_path = pg_catalog as $$
begin
    if exists (
        select from {schema}.erasures
         where erasures.entry_id = new.entry_id
           and erasures.pointer = new.pointer
    ) then
        return null;
    end if;
    return new;
end
$$;

create trigger erased_names_stay_away
    before insert or update on disclosures
    for each row execute function refuse_erased();

alter table disclosures enable always trigger erased_names_stay_away;

-- Erase again all that the log tells to be erased: a backup that was restored may hold the names. How many were there?
create function erase_again() returns bigint language plpgsql security definer set search_path = pg_catalog as $$
declare
    gone bigint;
begin
    insert into {schema}.erasures (entry_id, pointer, position, ground)
    select target.entry_id,
           told.body #>> '{{data,pointer}}',
           told.position,
           told.body #>> '{{data,ground}}'
      from {schema}.entries as told
      join {schema}.entries as target
        on target.stream = told.stream
       and told.body #>> '{{data,target}}' in (target.position::text, target.entry_id::text)
     where told.type = 'entry.value_erased'
     order by told.position
    on conflict do nothing;

    delete from {schema}.disclosures
     using {schema}.erasures
     where disclosures.entry_id = erasures.entry_id
       and disclosures.pointer = erasures.pointer;
    get diagnostics gone = row_count;

    if gone > 0 then
        update {schema}.head
           set erasures = erasures + 1
         where only_row;
    end if;
    return gone;
end
$$;

revoke execute on function erase_told, refuse_erased, erase_again from public;
grant execute on function erase_again to {service};
grant select on erasures to {service};
revoke delete on disclosures from {service};
comment on table disclosures is 'The names behind the commitments in entries. An entry.value_erased takes a row away for good.';
