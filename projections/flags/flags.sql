-- name: indexes
create unique index if not exists flags_current on flags (subject, lane, valid_to)
    where known_to = 9223372036854775807;
create index if not exists flags_subject on flags (subject, lane);

-- name: flagged
-- The states that have anomalies or are in dispute on a day, as known at a position, after where the page before ended.
select flags.subject, flags.lane, held.known_from, held.valid_from, held.doc,
       {version}
  from flags,
       {held}
 where flags.valid_from <= %(valid_at)s and flags.valid_to > %(valid_at)s
   and flags.known_from <= %(known_at)s and flags.known_to > %(known_at)s
   and (flags.subject, flags.lane) > (%(after_subject)s, %(after_lane)s)
 order by flags.subject, flags.lane
 limit %(limit)s
