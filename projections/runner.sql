-- name: create
-- How many entries each projection shows. Rows are derived from entries: drop them and rebuild at will.
create table if not exists projections (
    name           text    collate "C" primary key,
    version        integer not null,
    position       bigint  not null,
    error          text,
    error_position bigint,
    built          bigint  not null default 0, -- how often it was built anew
    entry_id       uuid                        -- of the last entry that it shows
)

-- name: begin
insert into projections (name, version, position, entry_id)
values (%(name)s, %(version)s, %(position)s, (select entry_id from entries where position = %(position)s))
on conflict do nothing

-- name: progress_columns
-- How far a projection is; and whether the log still holds the last entry that it shows.
name,
       version,
       position,
       error,
       error_position,
       built,
       position = 0 or exists (
           select from entries
            where entries.position = projections.position
              and entries.entry_id = projections.entry_id
       )

-- name: progress
select {progress}
  from projections

-- name: behind
-- Is there anything that the rows of one of these do not show?
select bool_or(head.size <> projections.position)
  from head,
       projections
 where name = any(%(names)s)

-- name: lock_progress
select {progress},
       size,
       epoch
  from projections,
       head
 where name = any(%(names)s)
 order by name
   for update of projections

-- name: advance
update projections
   set position       = %(position)s,
       entry_id       = (select entry_id from entries where position = %(position)s),
       error          = case when name = any(%(stopped)s::text[]) then %(error)s::text end,
       error_position = case when name = any(%(stopped)s::text[]) then %(error_position)s::bigint end
 where name = any(%(names)s)

-- name: followed
-- Whether a process holds the lock of those who follow, by the name of the lock; null where that is not to be seen, as on a
-- standby.
select case when not current_setting('transaction_read_only')::boolean
            then exists (
                select from pg_locks
                 where locktype = 'advisory' and granted and objsubid = 1
                   and database = (select oid from pg_database where datname = current_database())
                   and (classid::bigint << 32 | objid::bigint) = hashtext(%(name)s)::bigint
            )
       end

-- name: unseen_since
-- When was the first entry recorded that this many entries leave out?
select recorded_at
  from entries
 where position = %(shown)s::bigint + 1

-- name: size
select size
  from head

-- name: entries
-- Where an entry stands, its stream and line. No name of a person is read here: rows hold none.
select position,
       stream,
       body::text
  from entries

-- name: read_batch
-- What was recorded between two positions, in order.
{entries}
 where position > %(after)s
   and position <= %(upto)s
 order by position

-- name: read_streams
-- What these streams held at a position.
{entries}
 where stream = any(%(streams)b::text[])
   and position <= %(upto)s
 order by position

-- name: tables
select table_name
  from information_schema.tables
 where table_schema = %(schema)s
