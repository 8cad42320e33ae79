-- name: log
-- The log in order, with what the columns beside the line say.
select position,
       stream,
       version,
       type,
       entry_id::text,
       recorded_at,
       body::text
  from entries
 where position > %(after)s
 order by position
 limit %(limit)s

-- name: streams
-- Every stream from its first entry on, one after the other.
select stream,
       version,
       body::text
  from entries
 where (stream, version) > (%(stream)s, %(version)s)
   and position <= %(upto)s
 order by stream, version
 limit %(limit)s

-- name: differing
-- The first row that one has and the other has not: "live" shows what the entries do not say, "rebuilt" the reverse.
-- Where both have it and believe it until different entries, the earlier of these is where they part.
with differing as (
    (select 'live' as side, {columns}, known_to from {projections}.{table}
     except all
     select 'live', {columns}, known_to from {scratch}.{table})
    union all
    (select 'rebuilt', {columns}, known_to from {scratch}.{table}
     except all
     select 'rebuilt', {columns}, known_to from {projections}.{table})
)
select min(side),
       {key},
       case count(*) when 1 then known_from else min(known_to) end as position
  from differing
 group by {columns}
 order by position, {key}, min(side)
 limit 1
