-- name: load
-- What these streams hold after the versions already known, and whatever stands under these ids.
select entries.body::text
  from unnest(%(streams)b::text[], %(versions)b::int[]) as known (stream, version)
  join entries on entries.stream = known.stream
              and entries.version > known.version
 order by entries.position

-- name: find_entries
select body::text
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
select body #>> '{data,sha256}',
       stream
  from entries
 where type in ('source.registered', 'source.described')
   and body #>> '{data,sha256}' = any(%(digests)b::text[])

-- name: disclosures
select entry_id::text,
       pointer,
       salt,
       value
  from disclosures
 where entry_id = any(%(entry_ids)b::uuid[])
