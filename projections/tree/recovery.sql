-- name: take
-- Hold the log, and lift the stop.
update head
   set stopped_at     = null,
       stopped_reason = null
returning size

-- name: put_back
-- Entries as they were recorded. The log ends with the last of them.
with put as (
    insert into entries (position, stream, version, type, entry_id, recorded_at, body)
    select position,
           stream,
           version,
           type,
           id,
           recorded_at,
           line::json
      from unnest(%(positions)s::bigint[], %(streams)s::text[], %(versions)s::integer[], %(types)s::text[], %(ids)s::uuid[],
                  %(times)s::timestamptz[], %(lines)s::text[]) as line (position, stream, version, type, id, recorded_at, line)
    returning position, recorded_at
)
update head
   set size        = last.position,
       recorded_at = last.recorded_at
  from (select position, recorded_at from put order by position desc limit 1) as last

-- name: mark_lost
insert into lost_disclosures (entry_id, pointer)
select *
  from unnest(%(ids)s::uuid[], %(pointers)s::text[])
    on conflict do nothing
