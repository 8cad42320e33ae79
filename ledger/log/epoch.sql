-- name: take_next
-- Begin another epoch, unless somebody else has done so by now. Where the one that is known was lost as well, as an older
-- copy knows nothing of it, that is told by when the current one began.
with taken as (
    update head
       set epoch = %(next)s
     where epoch = %(known)s
        or (
               not exists (select from epochs where epochs.epoch = %(known)s)
               and (select began_at from epochs where epochs.epoch = head.epoch) <= %(since)s
           )
    returning size
)
insert into epochs (epoch, size, reason)
select %(next)s,
       size,
       %(reason)s
  from taken

-- name: erase_again
select erase_again()

-- name: current
select epoch
  from head

-- name: epochs
select epoch,
       began_at,
       size,
       reason
  from epochs
 order by began_at
