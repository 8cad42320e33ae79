-- name: indexes
create unique index if not exists due_current on due (subject, item, valid_to)
    where known_to = 9223372036854775807;
create index if not exists due_day on due (due, subject, item);

-- name: due
-- What is due, on a day, as known at a position: the earliest first, after where the page before ended.
select subject, item, due
  from due
 where valid_from <= %(valid_at)s and valid_to > %(valid_at)s
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and (due, subject, item) > (%(after_due)s, %(after_subject)s, %(after_item)s)
   and due < coalesce(%(before)s::date, 'infinity')
 order by due, subject, item
 limit %(limit)s
