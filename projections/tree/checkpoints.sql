-- name: head
-- How long is the log, in which epoch, and which entry stands last?
select head.size,
       head.epoch,
       head.stopped_reason,
       entries.entry_id
  from head
  left join entries on entries.position = head.size

-- name: entry_id
select entry_id
  from entries
 where position = %(position)s

-- name: line
select body::text
  from entries
 where position = %(position)s

-- name: is_there
select
  from entries
 where entry_id = %(entry_id)s

-- name: last
-- The last checkpoint of a log.
select size,
       root,
       note
  from checkpoints
 where origin = %(origin)s
 order by size desc
 limit 1

-- name: publish
-- Publish a checkpoint that follows on another: whoever comes second finds that one taken.
insert into checkpoints (origin, size, previous, root, note, number)
select %(origin)s,
       %(size)s,
       %(previous)s,
       %(root)b,
       %(note)s,
       coalesce(max(number), 0) + 1
  from checkpoints
    on conflict do nothing
returning size

-- name: add_keys
insert into log_keys (vkey)
select *
  from unnest(%(vkeys)s::text[])
    on conflict do nothing

-- name: keys
select vkey
  from log_keys
 order by added_at, vkey

-- name: stop
-- Nothing is recorded beyond what there is.
update head
   set stopped_at     = size,
       stopped_reason = %(reason)s
 where stopped_at is null

-- name: resume
update head
   set stopped_at     = null,
       stopped_reason = null

-- name: witnessed
-- Who has cosigned, and which is the largest tree of each?
select distinct on (witness)
       witness,
       size,
       cosigned_at
  from cosignatures
 where origin = %(origin)s
 order by witness, size desc

-- name: roots
-- What was signed of the present log, size by size.
select size,
       root
  from checkpoints
 where origin = (select origin from checkpoints order by number desc limit 1)
 order by size

-- name: contradicting
-- Checkpoints of which the row says another tree than the note that was signed.
select size
  from checkpoints
 where not starts_with(note, origin || e'\n' || size || e'\n' || encode(root, 'base64') || e'\n\n')
 order by number
 limit 10

-- name: signed_before
-- What was signed of the log before this one, size by size.
select size,
       root
  from checkpoints
 where origin = %(origin)s
 order by size

-- name: log_before
-- The log that was signed last before this one.
select origin
  from checkpoints
 where origin <> %(origin)s
 order by number desc
 limit 1

-- name: published
-- Checkpoints as they are published: with what witnesses say of them.
select checkpoints.origin,
       checkpoints.size,
       root,
       note,
       signed_at,
       array(
           select line
             from cosignatures
            where cosignatures.origin = checkpoints.origin
              and cosignatures.size = checkpoints.size
            order by witness
       )
  from checkpoints
 where {which}

-- name: the_last
true
 order by number desc
 limit 1

-- name: of_a_size
checkpoints.origin = (select origin from checkpoints order by number desc limit 1)
   and checkpoints.size = %(size)s

-- name: larger
checkpoints.origin = (select origin from checkpoints order by number desc limit 1)
   and checkpoints.size > %(after)s
 order by checkpoints.size
 limit %(limit)s

-- name: best_of
-- Of the last hundred that hold the entries up to a position, the one that most witnesses have cosigned; of several the newest.
(checkpoints.origin, checkpoints.size) = (
    select recent.origin,
           recent.size
      from (
            select origin,
                   size
              from checkpoints
             where origin = (select origin from checkpoints order by number desc limit 1)
               and size >= %(position)s
             order by size desc
             limit 100
           ) as recent
      left join cosignatures
        on (cosignatures.origin, cosignatures.size) = (recent.origin, recent.size)
     group by recent.origin, recent.size
     order by count(witness) desc, recent.size desc
     limit 1
)

-- name: cosign
insert into cosignatures (origin, size, witness, line, cosigned_at)
values (%(origin)s, %(size)s, %(witness)s, %(line)s, %(cosigned_at)s)
    on conflict do nothing

-- name: cosigned_last
-- The largest tree of the present log that a witness has cosigned: the note, and its line.
select note,
       line
  from cosignatures
  join checkpoints using (origin, size)
 where witness = %(witness)s
   and origin = (select origin from checkpoints order by number desc limit 1)
 order by size desc
 limit 1
