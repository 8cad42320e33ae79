-- name: log
-- The log in order, with what the columns beside the line say.
select position,
       stream,
       version,
       type,
       entry_id::text,
       greatest(least(recorded_at, '9999-12-31T00:00:00Z'), '0001-01-01T00:00:00Z'),  -- what Python knows of time
       body::text
  from entries
 where position > %(after)s
 order by position
 limit %(limit)s

-- name: streams
-- Every stream from its first entry on, one after the other.
select stream,
       version,
       position,
       entry_id::text,
       body::text
  from entries
 where (stream, version) > (%(stream)s, %(version)s)
 order by stream, version
 limit %(limit)s

-- name: differing
-- The first row that one has and the other has not: "live" shows what the entries do not say, "rebuilt" the reverse.
-- Where both have it and believe it until different entries, the earlier of these is where they part.
-- Both as of a position: what the live ones have learnt since is left out.
with later as (
    select int8range(%(upto)s::bigint, greatest(position, %(upto)s), '(]') as positions
      from {projections}.projections
     where name = %(name)s
), live as not materialized (
    select {columns},
           case when known_to <@ later.positions then 9223372036854775807 else known_to end as known_to
      from {projections}.{table}, later
     where subject <> all(%(apart)s)
       and not known_from <@ later.positions
), rebuilt as not materialized (
    select {columns},
           case when known_to > %(upto)s then 9223372036854775807 else known_to end as known_to
      from {scratch}.{table}
     where known_from <= %(upto)s
), differing as (
    (select 'live' as side, * from live
     except all
     select 'live', * from rebuilt)
    union all
    (select 'rebuilt', * from rebuilt
     except all
     select 'rebuilt', * from live)
)
select min(side),
       min(subject),
       concat_ws(' ', {key}),
       case count(*) when 1 then known_from else min(known_to) end as position
  from differing
 group by {columns}
 order by position, {key}, min(side)
 limit 1
