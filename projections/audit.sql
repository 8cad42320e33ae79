-- name: ends
-- How many entries there are by the head of the log, and the last of them, at one moment.
select (select size from head),
       (select coalesce(max(position), 0) from entries)

-- name: order
-- Of the next entries those that do not follow on the one before, each with that one, and what is odd about its time; and in any
-- case the last of them.
with span as (
    select position,
           greatest(least(recorded_at, '9999-12-31T00:00:00Z'), '0001-01-01T00:00:00Z') as recorded_at
      from entries
     where position >= %(after)s
       and position <= %(last)s
     order by position
     limit %(limit)s
), told as (
    select position,
           coalesce(lag(position) over in_order, 0) as before,
           coalesce(recorded_at < lag(recorded_at) over in_order, false) as is_early,
           extract(epoch from recorded_at - clock_timestamp()) > %(tolerance_s)s::float8 as is_ahead,
           lead(position) over in_order is null as is_last
      from span
    window in_order as (order by position)
)
select position,
       before,
       is_early,
       is_ahead
  from told
 where position > %(after)s
   and (position <> before + 1 or is_early or is_ahead or is_last)
 order by position
