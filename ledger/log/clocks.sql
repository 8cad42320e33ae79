-- name: clocks
-- What time is it there, and when was the last entry recorded, as far as Python knows of time?
select clock_timestamp(),
       least(recorded_at, '9999-12-31T00:00:00Z')
  from head
