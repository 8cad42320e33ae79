-- name: log_back
-- The entries between two positions, the last one first.
select position, body::text
  from entries
 where position > %(after)s
   and position < %(before)s
   and (%(type)s::text is null or type = %(type)s)
   and (%(subject)s::text is null or stream = %(subject)s)
   and position <= %(known_at)s
 order by position desc
 limit %(limit)s

-- name: last_recorded
-- When the last entry of each of these streams was recorded, as known at a position.
select stream, last.recorded_at
  from unnest(%(subjects)s::text[]) as wanted (stream),
       lateral (
           select recorded_at
             from entries
            where entries.stream = wanted.stream
              and position <= %(known_at)s
            order by version desc
            limit 1
       ) as last
