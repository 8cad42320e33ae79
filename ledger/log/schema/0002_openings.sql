-- The first entry of each stream: one row of this index a stream, so lists walk streams and not their histories.
create index entries_opening on entries (stream, position) where version = 1;

-- With the position in it, the version of a stream at a position is read from the index alone.
alter table entries drop constraint entries_stream_version_key;
alter table entries add constraint entries_stream_version_key unique (stream, version) include (position);
