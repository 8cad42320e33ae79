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

-- name: differing_states
-- The first row that one has and the other has not: "live" shows what the entries do not say, "rebuilt" the reverse.
select side, subject, lane, valid_from, known_from
  from (
        (select 'live' as side, {columns} from {projections}.states
         except all
         select 'live', {columns} from {scratch}.states)
        union all
        (select 'rebuilt', {columns} from {scratch}.states
         except all
         select 'rebuilt', {columns} from {projections}.states)
       ) as differing
 order by known_from, subject, lane, valid_from
 limit 1

-- name: differing_timeline
select side, subject, position
  from (
        (select 'live' as side, * from {projections}.timeline except all select 'live', * from {scratch}.timeline)
        union all
        (select 'rebuilt', * from {scratch}.timeline except all select 'rebuilt', * from {projections}.timeline)
       ) as differing
 order by known_from, position
 limit 1
