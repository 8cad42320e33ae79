-- name: streams
-- The next streams, one after the other from their first entries on, with what the columns beside the line say.
select position,
       stream,
       version,
       type,
       entry_id::text,
       greatest(least(recorded_at, '9999-12-31T00:00:00Z'), '0001-01-01T00:00:00Z'),  -- what Python knows of time
       body::text
  from entries
 where (%(after)s::text is null or stream > %(after)s)
   and (%(upto)s::text is null or stream <= %(upto)s)
   and position <= %(goal)s
 order by stream, version
 limit %(limit)s

-- name: differing
-- The first row that one has and the other has not: "live" shows what the entries do not say, "rebuilt" the reverse.
-- Where both have it and believe it until different entries, the earlier of these is where they part.
-- Both as of a position: what the live ones have learnt since is left out.
with later as (
    select int8range(%(shown)s::bigint, greatest(position, %(shown)s), '(]') as positions
      from {projections}.projections
     where name = %(name)s
), compared as (
    select 1 as side,
           {columns},
           case when known_to <@ later.positions then 9223372036854775807 else known_to end as known_to
      from {projections}.{table}, later
     where (%(after)s::text is null or subject > %(after)s)
       and (%(upto)s::text is null or subject <= %(upto)s)
       and subject <> all(%(apart)s)
       and not known_from <@ later.positions
     union all
    select -1,
           {columns},
           case when known_to > %(shown)s then 9223372036854775807 else known_to end
      from {scratch}.{table}
     where known_from <= %(shown)s
       and subject <> all(%(apart)s)
), differing as (
    select {columns},
           known_to,
           sum(side) as more
      from compared
     group by {columns}, known_to
    having sum(side) <> 0
)
select case when max(more) > 0 then 'live' else 'rebuilt' end as side,
       min(subject),
       concat_ws(' ', {key}),
       case sum(abs(more)) when 1 then known_from else min(known_to) end as position
  from differing
 group by {columns}
 order by position, {key}, side
 limit 1
