-- name: indexes
create unique index if not exists due_current on due (subject, item, valid_to)
    where known_to = 9223372036854775807;
create index if not exists due_open on due (due, subject, item) include (valid_from, known_from)
    where valid_to = '9999-12-31' and known_to = 9223372036854775807;
create index if not exists due_subject on due (subject) include (due, valid_from, known_from)
    where item = '' and valid_to = '9999-12-31' and known_to = 9223372036854775807;
create index if not exists due_ended on due (valid_to)
    where valid_to < '9999-12-31' and known_to = 9223372036854775807;
create index if not exists due_closed on due (known_to)
    where known_to < 9223372036854775807;

-- name: due
-- What is due, on a day, as known at a position: the earliest first, after where the page before ended.
{rows}
 order by {order}
 limit %(limit)s

-- name: order
due, subject, item

-- name: after
(due, subject, item) > (%(after_due)s, %(after_subject)s, %(after_item)s)

-- name: before
due < %(before)s

-- name: all
true
