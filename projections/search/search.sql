-- name: indexes
create index if not exists search_words on search using gin (words) with (fastupdate = off);
create unique index if not exists search_current on search (subject, root, valid_to)
    where known_to = 9223372036854775807;
create index if not exists search_subject on search (subject);
