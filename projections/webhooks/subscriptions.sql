-- name: create
-- It begins after a position, or after what is recorded by now.
insert into webhooks (id, name, url, types, subjects, kinds, authors, secret_sha256, epoch, position, entry_id)
select %(id)s, %(name)s, %(url)s, %(types)s, %(subjects)s, %(kinds)s, %(authors)s, %(secret_sha256)s,
       head.epoch,
       start.position,
       (select entry_id from entries where entries.position = start.position)
  from head,
       lateral (select least(coalesce(%(after)s::bigint, size), size) as position) as start

-- name: columns
id, name, url, types, subjects, kinds, authors,
       generation, rotated_at, secret_sha256, webhooks.epoch, webhooks.position,
       delivered_at, failures, failing_since, next_attempt_at, trouble, disabled_at,
       head.size,
       head.epoch as current_epoch,
       webhooks.position = 0 or exists (
           select from entries
            where entries.position = webhooks.position
              and entries.entry_id = webhooks.entry_id
       ) as stands

-- name: list
select {columns}
  from webhooks,
       head
 order by name

-- name: one
select {columns}
  from webhooks,
       head
 where name = %(name)s

-- name: due
-- Of which is there something to send, or to look at, and nothing to wait for?
select webhooks.name
  from webhooks,
       head
 where disabled_at is null
   and (next_attempt_at is null or next_attempt_at <= clock_timestamp())
   and (
           webhooks.position <> head.size
           or webhooks.epoch <> head.epoch
           or webhooks.entry_id is distinct from (select entry_id from entries where entries.position = head.size)
       )

-- name: remove
delete from webhooks
 where name = %(name)s

-- name: rotate
update webhooks
   set generation    = generation + 1,
       rotated_at    = clock_timestamp(),
       secret_sha256 = %(secret_sha256)s
 where id = %(id)s
   and generation = %(generation)s

-- name: resume
-- It is tried at once, and has days again before it is disabled.
update webhooks
   set failures        = 0,
       failing_since   = null,
       next_attempt_at = null,
       trouble         = null,
       disabled_at     = null
 where name = %(name)s

-- name: advance
-- What is now true, once this commits: the receiver has taken all that it wants up to here. Who delivers beside us, or was
-- told of another epoch meanwhile, has moved it: then nothing is changed.
update webhooks
   set position        = %(position)s,
       entry_id        = (select entry_id from entries where entries.position = %(position)s),
       epoch           = %(epoch)s,
       delivered_at    = case when %(sent)s then clock_timestamp() else delivered_at end,
       failures        = case when %(sent)s then 0 else failures end,
       failing_since   = case when %(sent)s then null else failing_since end,
       next_attempt_at = case when %(sent)s then null else next_attempt_at end,
       trouble         = case when %(sent)s then null else trouble end
 where id = %(id)s
   and position = %(was)s
   and epoch = %(was_epoch)s

-- name: fail
-- The receiver has not taken it: pauses grow, and in the end it is disabled.
update webhooks
   set failures        = failures + 1,
       failing_since   = coalesce(failing_since, clock_timestamp()),
       next_attempt_at = clock_timestamp() + make_interval(secs => %(pause_s)s),
       trouble         = %(trouble)s,
       disabled_at     = case when %(gone)s or failing_since < clock_timestamp() - make_interval(secs => %(patience_s)s)
                              then clock_timestamp() end
 where id = %(id)s
returning disabled_at is not null
