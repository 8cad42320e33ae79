-- The log is read by author in the order of positions, however few of its entries are theirs.

create index entries_author_position on entries ((body ->> 'authid'), position);
