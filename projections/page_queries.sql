-- name: labels
-- What each of many streams is called.
select subject, coalesce(said.short_name, said.name, said.title)
  from unnest(%(subjects)s::text[]) as candidates (stream),
       {held},
       json_to_record(held.doc::json) as said (short_name text, name text, title text)

-- name: stops
-- The last entries, whatever they are about.
select position, recorded_at, type, stream
  from entries
 where position > (select size from head) - %(limit)s
 order by position

-- name: stops_of
-- The last entries of a stream, and of those that ever belonged to it, from its own first one on.
select *
  from (
        select position, recorded_at, type, stream
          from (
                select %(subject)s::text as stream
                union
                select subject
                  from states
                 where refs @> array[%(subject)s::text]
                   and kind = any(%(kinds)s)
               ) as streams
         cross join lateral (
                select position, recorded_at, type
                  from entries
                 where stream = streams.stream
                 order by position desc
                 limit %(limit)s
               ) as those
         order by position desc
         limit %(limit)s
       ) as last
 where position >= (select position from entries where stream = %(subject)s and version = 1)
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

-- name: meetings
-- The states of meetings whose documents tell of a year.
select subject, lane, known_from, valid_from, doc, 0
  from (
        select stream
          from entries
         where version = 1
           and stream > 'meeting:' and stream < 'meeting;'
           and position <= %(known_at)s
       ) as candidates,
       {held}
 where doc like %(year)s
 order by candidates.stream
 limit %(limit)s

-- name: drawn
-- The facts of several streams, as far as they are known, and of others those that mention the first.
select day, (select body::text from entries where entries.position = drawn.position)
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
         order by day, rank, root
         limit %(limit)s
       ) as drawn
 order by day, rank, root

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
-- The entries that count and mention a source, as far as they are known.
select subject,
       (select body::text from entries where entries.position = timeline.position)
  from timeline
 where about = %(source)s
   and subject <> %(source)s
   and known_from <= %(known_at)s and known_to > %(known_at)s
 order by position
 limit %(limit)s
