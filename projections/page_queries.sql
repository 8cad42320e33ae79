-- name: labels
-- What each of many streams is called.
select subject,
       coalesce(
           said.short_name, said.name, said.title, nullif(concat_ws(', ', said.publisher, said.published), '')
       )
  from unnest(%(subjects)s::text[]) as candidates (stream),
       {held},
       json_to_record(held.doc::json) as said (short_name text, name text, title text, publisher text, published text)

-- name: stops
-- The entries around a position, whatever they are about, from one on; and the first and the last of all.
select position, recorded_at, type, stream
  from entries
 where (position between %(known_at)s::bigint - %(around)s + 1 and %(known_at)s + %(around)s
        or position in (%(since)s, (select size from head)))
   and position >= %(since)s
 order by position

-- name: stops_of
-- The entries around a position of a stream, and of those that ever belonged to it, from its own first one on; and its first
-- and the last of all of these.
with first as (
    select position
      from entries
     where stream = %(subject)s
       and version = 1
),
streams as materialized (
    select %(subject)s::text as stream
    union
    select subject
      from refs
     where ref = %(subject)s
       and lane = ''
       and holds
       and split_part(subject, ':', 1) = any(%(kinds)s)
),
stops as (
    select position
      from first
    union
    (
    select those.position
      from streams,
           lateral (
               select position
                 from entries
                where stream = streams.stream
                  and position <= %(known_at)s
                order by position desc
                limit %(around)s
           ) as those
     order by position desc
     limit %(around)s
    )
    union
    (
    select those.position
      from streams,
           lateral (
               select position
                 from entries
                where stream = streams.stream
                  and position > %(known_at)s
                order by position
                limit %(around)s
           ) as those
     order by position
     limit %(around)s
    )
    union
    select max(last.position)
      from streams,
           lateral (
               select position
                 from entries
                where stream = streams.stream
                order by position desc
                limit 1
           ) as last
)
select position, recorded_at, type, stream
  from stops
  join entries using (position)
 where position >= greatest(%(since)s, (select position from first))
 order by position

-- name: entries_at
-- Entries by their positions.
select position, body::text
  from entries
 where position = any(%(positions)s)
   and position <= %(known_at)s

-- name: beliefs
-- A stream's state on one day as it was known at each of its last entries; null before there was one.
select candidates.position, held.doc
  from (
        select stream, position
          from entries
         where stream = %(subject)s
           and position <= %(known_at)s
         order by position desc
         limit %(limit)s
       ) as candidates
  left join {held} on true
 order by candidates.position

-- name: touched
-- The streams that entries were added to after one position and up to another.
select distinct stream
  from entries
 where position > %(after)s and position <= %(upto)s
   and stream > %(beyond)s
 order by stream
 limit %(limit)s

-- name: of_year
-- The states of a kind whose documents tell of a year, wherever that is kept.
select subject, lane, known_from, valid_from, doc, 0
  from (
        select stream
          from entries
         where version = 1
           and stream > %(kind)s || ':' and stream < %(kind)s || ';'
           and position <= %(known_at)s
       ) as candidates,
       {held}
 where doc like %(year)s
    or exists (
        select from deltas
         where deltas.subject = candidates.stream
           and deltas.lane = ''
           and deltas.day <= %(valid_at)s
           and deltas.known_from <= %(known_at)s and deltas.known_to > %(known_at)s
           and deltas.told like %(year)s
    )
 order by candidates.stream
 limit %(limit)s

-- name: drawn
-- The last facts of several streams, as far as they are known, and of others those that mention the first;
-- and how many there are in all.
select of_all, day, (select body::text from entries where entries.position = last.position)
  from (
        select count(*) over () as of_all, day, rank, root, position
          from (
                select day, rank, root, position
                  from timeline
                 where about = %(subject)s
                   and known_from <= %(known_at)s and known_to > %(known_at)s
                union
                select day, rank, root, position
                  from timeline
                 where about = any(%(subjects)s::text[])
                   and subject = about
                   and known_from <= %(known_at)s and known_to > %(known_at)s
               ) as facts
         order by day desc, rank desc, root desc
         limit %(limit)s
       ) as last
 order by day, rank, root

-- name: latest_related
-- Of the states that refer to a subject, the latest of each kind by the last of their dates; and how many there are of the kind.
select kind, of_kind, subject, lane, known_from, valid_from, states.doc, 0
  from (
        select kind, subject, lane, known_from, valid_from,
               count(*) over (partition by kind) as of_kind,
               row_number() over (partition by kind order by day desc nulls last, subject) as place
          from (
                {referring}
               ) as candidates,
               {held}
       ) as ranked
  join states using (kind, subject, lane, known_from, valid_from)
 where place <= %(limit)s
 order by kind, place

-- name: parts_beyond
-- Of the states of an agreement's parties those beyond one, by their names; and how many there are in all.
select kind, of_kind, subject, lane, known_from, valid_from, doc, 0
  from (
        select distinct on (lane) *
          from states
         where subject = %(subject)s
           and lane > %(beyond)s
           and valid_from <= %(valid_at)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
         order by lane, valid_from desc
         limit %(limit)s
       ) as parts,
       (
        select count(distinct lane) as of_kind
          from states
         where subject = %(subject)s
           and lane <> ''
           and valid_from <= %(valid_at)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
       ) as counted
 order by lane

-- name: courses
-- How the status of several streams went on, as known at a position: the last turns of each.
select stream, status, valid_from
  from unnest(%(subjects)s::text[]) as candidates (stream),
       lateral (
           select status, valid_from
             from (
                   select status, valid_from, lag(status) over (order by valid_from) as before
                     from states
                    where subject = candidates.stream
                      and lane = ''
                      and known_from <= %(known_at)s and known_to > %(known_at)s
                  ) as stated
            where before is distinct from status
            order by valid_from desc
            limit %(limit)s
       ) as turned
 order by stream, valid_from

-- name: first_entry
-- Where a stream begins.
select position, recorded_at
  from entries
 where stream = %(subject)s
   and version = 1

-- name: version
-- How many entries a stream has in the log.
select coalesce(max(version), 0)
  from entries
 where stream = %(subject)s

-- name: later
-- The entries of a stream after one of its versions, as they stand in the log.
select body::text
  from entries
 where stream = %(subject)s
   and version > %(version)s
 order by version
 limit %(limit)s

-- name: citing
-- The last entries that count and mention a source, as far as they are known; and how many there are in all.
select of_all, subject, (select body::text from entries where entries.position = last.position)
  from (
        select count(*) over () as of_all, subject, position
          from timeline
         where about = %(source)s
           and subject <> %(source)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
         order by position desc
         limit %(limit)s
       ) as last
 order by position

-- name: history_before
-- The last entries of a stream before a position, in the order of recording.
select body::text
  from (
        select position, body
          from entries
         where stream = %(subject)s
           and position < %(before)s and position <= %(known_at)s
         order by position desc
         limit %(limit)s
       ) as last
 order by position

-- name: correcting
-- The entries of a stream that are about other entries of it.
select body::text
  from entries
 where stream = %(subject)s
   and type like 'entry.%%'
   and position <= %(known_at)s
 order by position

-- name: recorded_of
-- How many entries a stream has, as far as they are known.
select coalesce({version}, 0)
