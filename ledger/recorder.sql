-- name: append
-- Record these lines in this order: one statement, one round trip, one transaction.
with taken as (
    -- Whoever updates this row holds it until its commit is done; the next writer waits here and then counts on from
    -- what was committed. So positions have no gaps, and position order is commit order.
    update head
       set size        = size + %(count)s,
           recorded_at = greatest(recorded_at, clock_timestamp())
    returning size - %(count)s as base,
              recorded_at,
              '","recordedtime":"' || to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                  || '",' as stamp
), recorded as (
    insert into entries (position, stream, version, type, entry_id, recorded_at, body)
    select taken.base + line.place,
           line.stream,
           line.version,
           line.type,
           line.entry_id,
           taken.recorded_at,
           ('{"sequence":"' || lpad((taken.base + line.place)::text, 20, '0') || taken.stamp || substr(line.rest, 2))::json
      from taken,
           unnest(
               string_to_array(%(streams)s, E'\n'),
               string_to_array(%(versions)s, E'\n')::int[],
               string_to_array(%(types)s, E'\n'),
               string_to_array(%(entry_ids)s, E'\n')::uuid[],
               string_to_array(%(rests)s, E'\n')
           ) with ordinality as line (stream, version, type, entry_id, rest, place)
), disclosed as (
    insert into disclosures (entry_id, pointer, salt, value)
    select *
      from unnest(
               %(disclosed_ids)b::uuid[],
               %(pointers)b::text[],
               %(salts)b::bytea[],
               %(values)b::text[]
           )
)
select base,
       recorded_at
  from taken

-- name: find_ids
-- At which positions do these ids stand, since when, and with which lines?
select entry_id,
       position,
       recorded_at,
       body::text
  from entries
 where entry_id = any(%(entry_ids)b::uuid[])

-- name: notify
select pg_notify(%(channel)s, '')

-- name: select_stream
-- The entries of one stream between two versions.
select position,
       version,
       type,
       body::text
  from entries
 where stream = %(stream)s
   and version > %(gt)s
   and version <= %(lte)s
 order by version {direction}
 limit %(limit)s

-- name: select_log
-- The log in order, from a position on; of some types, or of all.
select position,
       stream,
       version,
       type,
       body::text
  from entries
 where position >= %(start)s
   and position <= %(stop)s
   and (%(types)s::text[] is null or type = any(%(types)s))
 order by position
 limit %(limit)s

-- name: head
-- How many entries there are, and when the last was recorded.
select size,
       recorded_at
  from head
