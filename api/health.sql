-- name: log
-- How long the log is, in which epoch since when and why, and by how much its last entry lies ahead of the clock.
select head.size,
       head.epoch,
       epochs.began_at,
       epochs.size as size_then,
       epochs.reason,
       (select count(*) from epochs) as count,
       extract(epoch from (select recorded_at from entries where position = head.size) - clock_timestamp())::float8
  from head
  left join epochs using (epoch)

-- name: blocking
-- Who holds what this backend waits for? (A transaction that was prepared has no backend, and says 0.)
select blocking.pid,
       pg_stat_activity.application_name
  from unnest(pg_blocking_pids(%(pid)s)) as blocking (pid)
  left join pg_stat_activity using (pid)

-- name: event
-- What does the database say that this backend waits for?
select wait_event
  from pg_stat_activity
 where pid = %(pid)s

-- name: server
-- Does it only read, what time is it there, and by how much does the last entry lie ahead of that?
select current_setting('transaction_read_only')::boolean,
       clock_timestamp(),
       extract(epoch from recorded_at - clock_timestamp())::float8
  from head
