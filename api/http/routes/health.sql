-- name: log
-- How long the log is, and in which epoch since when and why.
select head.size,
       head.epoch,
       epochs.began_at,
       epochs.size as size_then,
       epochs.reason,
       (select count(*) from epochs) as count,
       head.stopped_reason
  from head
  left join epochs using (epoch)

-- name: waits
-- What does this backend wait for, as the database says, and who holds it? (A transaction that was prepared has no
-- backend, and says 0.)
select waiting.wait_event,
       blocking.pid,
       holder.application_name
  from pg_stat_activity as waiting
  left join unnest(pg_blocking_pids(waiting.pid)) as blocking (pid) on true
  left join pg_stat_activity as holder on holder.pid = blocking.pid
 where waiting.pid = %(pid)s

-- name: webhooks
-- How far each webhook is behind the log, since when its receiver takes nothing, and whether it was given up.
select name,
       head.size - position,
       failing_since,
       disabled_at
  from webhooks,
       head
 order by name

-- name: signed
-- The last checkpoint.
select origin,
       size,
       signed_at
  from checkpoints
 order by number desc
 limit 1
