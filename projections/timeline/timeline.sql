-- name: indexes
create index if not exists timeline_day on timeline (about, day, rank, root);
create unique index if not exists timeline_position on timeline (position, about, known_from);
