-- name: take_next
-- Begin another epoch, unless somebody else has done so by now.
with taken as (
    update head
       set epoch = %(next)s
     where epoch = %(known)s
    returning size
)
insert into epochs (epoch, size, reason)
select %(next)s,
       size,
       %(reason)s
  from taken

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
