-- name: last_recorded
-- When the last entry of each of these streams was recorded, as known at a position.
select stream, last.recorded_at
  from unnest(%(subjects)s::text[]) as wanted (stream),
       lateral (
           select recorded_at
             from entries
            where entries.stream = wanted.stream
              and position <= %(known_at)s
            order by position desc
            limit 1
       ) as last
