-- name: create
-- How many entries each projection shows. Rows are derived from entries: drop them and rebuild at will.
create table if not exists projections (
    name           text    collate "C" primary key,
    version        integer not null,
    position       bigint  not null,
    error          text,
    error_position bigint,
    built          bigint  not null default 0  -- how often it was built anew
)

-- name: begin
insert into projections (name, version, position)
values (%(name)s, %(version)s, %(position)s)
on conflict do nothing

-- name: progress
select name,
       version,
       position,
       error,
       error_position,
       built
  from projections

-- name: behind
-- Is there anything that the rows of one of these do not show?
select bool_or(head.size > projections.position)
  from head,
       projections
 where name = any(%(names)s)

-- name: lock_progress
select name,
       version,
       position,
       error,
       error_position,
       built,
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
       error          = case when name = any(%(stopped)s::text[]) then %(error)s::text end,
       error_position = case when name = any(%(stopped)s::text[]) then %(error_position)s::bigint end
 where name = any(%(names)s)

-- name: size
select size
  from head

-- name: read_batch
-- What was recorded between two positions, in order; and the names of its persons, by pointer, as far as disclosed.
select position,
       stream,
       body::text,
       case when strpos(body::text, '{"commitment":') > 0
            then (select json_object_agg(pointer, value) from disclosures where disclosures.entry_id = entries.entry_id)
       end
  from entries
 where position > %(after)s
   and position <= %(upto)s
 order by position

-- name: read_streams
-- What these streams held at a position, likewise.
select position,
       stream,
       body::text,
       case when strpos(body::text, '{"commitment":') > 0
            then (select json_object_agg(pointer, value) from disclosures where disclosures.entry_id = entries.entry_id)
       end
  from entries
 where stream = any(%(streams)b::text[])
   and position <= %(upto)s
 order by position

-- name: tables
select table_name
  from information_schema.tables
 where table_schema = %(schema)s
