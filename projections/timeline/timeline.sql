-- name: indexes
create index if not exists timeline_subject on timeline (subject, day, rank, root);
create unique index if not exists timeline_current on timeline (position)
    where known_to = 9223372036854775807;
create index if not exists timeline_mentions on timeline using gin (mentions) with (fastupdate = off);
