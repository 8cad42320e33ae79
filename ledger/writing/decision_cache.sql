-- name: load
-- What these streams hold after the versions already known. Stream by stream: an index finds each, whether or not the
-- planner has been told yet how many entries there are.
select known.stream,
       newer.body::text
  from unnest(%(streams)b::text[], %(versions)b::int[]) as known (stream, version),
       lateral (
           select position,
                  body
             from entries
            where entries.stream = known.stream
              and entries.version > known.version
            order by entries.version
       ) as newer
 order by newer.position

-- name: find_entries
select entry_id::text,
       body::text
  from entries
 where entry_id = any(%(entry_ids)b::uuid[])

-- name: openings
-- The first entry of each of these streams: its position, and when a source was published.
select stream,
       position,
       case when type = 'source.registered' then body #>> '{data,published}' end
  from entries
 where stream = any(%(streams)b::text[])
   and version = 1

-- name: holders
-- Which sources hold a document with one of these digests?
select sha256,
       stream
  from holders(%(digests)b::text[])

-- name: last
-- The last entry; and whether the one that was seen last before stands where it stood.
select last.position,
       last.entry_id::text,
       last.recorded_at,
       exists (
           select from entries as seen
            where seen.position = %(position)s
              and seen.entry_id = %(entry_id)s
              and seen.recorded_at = %(recorded_at)s
       )
  from head
  join entries as last on last.position = head.size

-- name: disclosures
select entry_id::text,
       pointer,
       salt,
       value
  from disclosures
 where entry_id = any(%(entry_ids)b::uuid[])
