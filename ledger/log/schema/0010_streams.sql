-- A stream in the order of the log: which version it had at a position is one descent, however much was recorded since.
create index entries_stream_position on entries (stream, position) include (version);

-- A page is known to be visible to all soon after it was written: else an index alone would not do for a read.
alter table entries set (autovacuum_vacuum_insert_scale_factor = 0.05);

-- What corrects others is looked for in streams that are long.
create index entries_correcting on entries (stream, position) where type like 'entry.%';
