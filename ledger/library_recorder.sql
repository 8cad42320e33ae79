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
   and {conditions}
 order by position
 limit %(limit)s

-- name: of_any_type
true

-- name: of_types
type = any(%(types)s::text[])

-- name: head
-- How many entries there are, and when the last was recorded.
select size,
       recorded_at
  from head
