-- name: standing
-- How long the log is, when its last entry was recorded, and how far the projections have followed.
select head.size,
       progress.position,
       progress.error_position
  from head,
       progress

-- name: recorded_at
-- When was the entry at this position recorded?
select recorded_at
  from entries
 where position = %(position)s

-- name: position_at
-- The last entry recorded at or before a time. Times never decrease along the log, so it is found by halving.
with recursive search (low, high) as (
    select 0::bigint, size
      from head
    union all
    select case when entries.recorded_at <= %(time)s then middle.position else low end,
           case when entries.recorded_at <= %(time)s then high else middle.position - 1 end
      from search,
           lateral (select (low + high + 1) / 2 as position) as middle
      join entries on entries.position = middle.position
     where low < high
)
select low
  from search
 where low = high

-- name: state
-- One stream's state on a day, as known at a position.
select subject, lane, known_from, valid_from, doc::text,
       (select max(version) from entries where stream = subject and position <= %(known_at)s)
  from states
 where subject = %(subject)s
   and lane = ''
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and valid_from <= %(valid_at)s and valid_to > %(valid_at)s

-- name: related
-- The states that refer to a subject, and for an agreement those of its parties, on the same day, as known then.
select kind, subject, lane, known_from, valid_from, doc::text,
       (select max(version) from entries where stream = subject and position <= %(known_at)s)
  from states
 where (   refs @> array[%(subject)s::text] and lane = '' and subject <> %(subject)s
        or subject = %(subject)s and lane <> '')
   and kind = any(%(kinds)s)
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and valid_from <= %(valid_at)s and valid_to > %(valid_at)s
 order by kind, subject, lane

-- name: list
-- The states of one kind on a day, as known at a position, narrowed, in order, after where the page before ended.
select subject, lane, known_from, valid_from, doc::text,
       (select max(version) from entries where stream = subject and position <= %(known_at)s),
       {key}::text
  from states
 where kind = %(kind)s
   and lane = ''
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and valid_from <= %(valid_at)s and valid_to > %(valid_at)s
   and (%(status)s::text is null or status = %(status)s)
   and (%(category)s::text is null or category = %(category)s)
   and (%(area)s::text is null or areas @> array[%(area)s::text])
   and (%(due_before)s::date is null or due < %(due_before)s)
   and (%(overdue)s::boolean is null or (doc ->> 'overdue')::boolean = %(overdue)s)
   and (%(text)s::text is null or label like %(text)s)
   and (%(ref)s::text is null or refs @> array[%(ref)s::text])
   and (%(party)s::text is null or refs @> array[%(party)s::text] or exists (
           select from states as part
            where part.subject = states.subject
              and part.lane = %(party)s
              and part.known_from <= %(known_at)s and part.known_to > %(known_at)s
              and part.valid_from <= %(valid_at)s and part.valid_to > %(valid_at)s
       ))
   and (%(after_subject)s::text is null or ({key}, subject) {beyond} (%(after_key)s, %(after_subject)s))
 order by {key} {direction}, subject {direction}
 limit %(limit)s

-- name: timeline
-- The facts of a stream and those that mention it, in valid order, as they counted on a day and were known then.
select timeline.day, timeline.rank, timeline.root, timeline.subject, entries.body::text
  from timeline
  join entries on entries.position = timeline.position
 where (timeline.subject = %(subject)s or timeline.mentions @> array[%(subject)s::text])
   and timeline.known_from <= %(known_at)s and timeline.known_to > %(known_at)s
   and timeline.day <= %(valid_at)s
   and (%(after_day)s::date is null
        or (timeline.day, timeline.rank, timeline.root) > (%(after_day)s, %(after_rank)s, %(after_root)s))
 order by timeline.day, timeline.rank, timeline.root
 limit %(limit)s

-- name: history
-- Every entry of a stream, in the order of recording.
select body::text
  from entries
 where stream = %(subject)s
   and position <= %(known_at)s
 order by version

-- name: log
select position, body::text
  from entries
 where position > %(after)s
   and (%(type)s::text is null or type = %(type)s)
   and (%(subject)s::text is null or stream = %(subject)s)
   and position <= %(known_at)s
 order by position
 limit %(limit)s

-- name: export
-- The lines between two positions, in order. Some hundred go in one value: one value a line takes three times as long.
copy (
    select convert_to(page.lines, 'UTF8')
      from generate_series(%(after)s::bigint, %(upto)s::bigint - 1, 200) as start,
           lateral (
               select string_agg(body::text || E'\n', '' order by position) as lines
                 from entries
                where position > start
                  and position <= least(start + 200, %(upto)s::bigint)
           ) as page
) to stdout (format binary)

-- name: imported
-- The lines that hold a mark, such as that of a mapping, in order.
select body::text
  from entries
 where strpos(body::text, %(mark)s) > 0
 order by position

-- name: event
select position, stream, body::text
  from entries
 where position = %(position)s
    or entry_id = %(entry_id)s

-- name: corrections
-- What was recorded to correct an entry.
select position, type
  from entries
 where stream = %(stream)s
   and type like 'entry.%%'
   and (body #>> '{data,target}') in (%(position)s::text, %(entry_id)s::text)
 order by position
