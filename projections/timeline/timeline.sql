-- name: indexes
create index if not exists timeline_day on timeline (about, day, rank, root);
create index if not exists timeline_own on timeline (about, day, rank, root) where subject = about;
create unique index if not exists timeline_position on timeline (position, about, known_from);
create index if not exists timeline_closed on timeline (known_to) where known_to < 9223372036854775807;
