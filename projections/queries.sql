-- name: watermarks
-- How the ledger stands: the log, and how far the projections have followed, when that entry was recorded, and in which
-- tables (a rebuild puts others in their place, and counts).
select {log},
       followed.positions,
       (select recorded_at from entries where position = (followed.positions ->> 'states')::bigint) as recorded_at,
       followed.built
  from head,
       (select json_object_agg(name, position) as positions, sum(built) as built from projections) as followed

-- name: watermarks_log
-- How the log stands, wherever the projections are.
select {log}
  from head

-- name: log_columns
-- How long it is, which its last entry is, and in which epoch it is; whether it goes on from what was last seen of it;
-- which epochs it knows where it only reads, as a standby does (else null); of which run the server is; how often names of
-- persons have gone; and the last checkpoint that was signed, with how many have cosigned it.
head.size,
       (select entry_id::text from entries where position = head.size) as last_id,
       (select recorded_at from entries where position = head.size) as last_at,
       head.epoch,
       case when %(epoch)s::text is null then true
            when %(epoch)s::text <> head.epoch then exists (select from epochs where epochs.epoch = %(epoch)s::text)
            else %(position)s::bigint = 0
              or exists (
                  select from entries
                   where position = %(position)s::bigint
                     and entry_id = %(entry_id)s::uuid and recorded_at = %(recorded_at)s::timestamptz
              )
       end as goes_on,
       case when current_setting('transaction_read_only')::boolean
            then array(select epochs.epoch from epochs)
       end as epochs,
       pg_postmaster_start_time() as server,
       head.erasures,
       (
           select json_build_object(
                      'size', size,
                      'root', encode(root, 'base64'),
                      'cosigned', (
                          select count(*)
                            from cosignatures
                           where (cosignatures.origin, cosignatures.size) = (last.origin, last.size)
                      )
                  )
             from checkpoints as last
            order by number desc
            limit 1
       ) as checkpoint

-- name: recorded_at
-- When was the entry at this position recorded?
select recorded_at
  from entries
 where position = %(position)s

-- name: position_at
-- The last entry recorded at or before a time, and whether a later one is there. Times never decrease along the log, so it is
-- found by halving. (Each entry is looked up by itself, whatever the planner has been told of head.)
with recursive search (low, high) as (
    select 0::bigint, size
      from head
    union all
    select case when middle.recorded_at <= %(time)s then middle.position else low end,
           case when middle.recorded_at <= %(time)s then high else middle.position - 1 end
      from search,
           lateral (
               select position, recorded_at
                 from entries
                where position = (low + high + 1) / 2
                limit 1
           ) as middle
     where low < high
)
select low,
       low < (select size from head)
  from search
 where low = high

-- name: version
-- Which version a stream had, as known at a position.
(
    select version
      from entries
     where entries.stream = {stream}
       and position <= %(known_at)s
     order by position desc
     limit 1
)

-- name: held
-- One lane's state on a day, as known at a position: the last row that had begun by then. Of what the ledger has learnt since
-- nothing is walked through: an entry that opens rows of a lane opens its last one, too, so no row that was known then begins
-- later than the last that was opened by then.
lateral (
    select *
      from states
     where subject = {stream}
       and lane = {lane}
       and (valid_from, known_from) <= (
               case when {known_at} < (select position from projections where name = 'states')
                    then least({valid_at}, coalesce((
                             select valid_from
                               from states
                              where subject = {stream}
                                and lane = {lane}
                                and known_from <= {known_at}
                              order by known_from desc, valid_from desc
                              limit 1
                         ), '-infinity'))
                    else {valid_at}
               end,
               {known_at}
           )
       and known_from <= {known_at} and known_to > {known_at}
     order by valid_from desc
     limit 1
) as held

-- name: state
-- One stream's state on a day, as known at a position.
select subject, lane, known_from, valid_from, doc,
       {version}
  from (select %(subject)s::text as stream) as candidates,
       {held}

-- name: states
-- The states of several streams, each by itself.
select subject, lane, known_from, valid_from, doc,
       {version}
  from unnest(%(subjects)s::text[]) as candidates (stream),
       {held}

-- name: lanes
-- The states of several streams, each with those of its parties.
select lanes.subject, lanes.lane, lanes.known_from, lanes.valid_from, lanes.doc,
       {version}
  from unnest(%(subjects)s::text[]) as candidates (stream),
       {held},
       lateral (
           select distinct on (lane) *
             from states
            where subject = held.subject
              and valid_from <= %(valid_at)s
              and known_from <= %(known_at)s and known_to > %(known_at)s
            order by lane, valid_from desc
       ) as lanes

-- name: turned_to
-- The streams whose states refer to a subject: of each turn to it, and away from it, the last by that day.
select subject as stream
  from (
        select distinct on (subject) subject, holds
          from refs
         where ref = %(subject)s
           and lane = ''
           and {of}
           and subject <> %(subject)s
           and valid_from <= %(valid_at)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
         order by subject, valid_from desc
       ) as turned
 where holds

-- name: of_some_kinds
split_part(subject, ':', 1) = any(%(kinds)s)

-- name: of_one_kind
subject > referring.kind || ':' and subject < referring.kind || ';'

-- name: related
-- The states that refer to a subject, of each kind so many at most; and for an agreement those of its parties, on the same day, as
-- known then.
select kind, subject, lane, known_from, valid_from, doc,
       {version}
  from (
        select held.*
          from unnest(%(kinds)s::text[]) as referring (kind),
               lateral (
                   {referring}
                    order by subject
                    limit %(most)s
               ) as candidates,
               {held}
        union all
        (
        select distinct on (lane) *
          from states
         where subject = %(subject)s
           and lane <> ''
           and valid_from <= %(valid_at)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
         order by lane, valid_from desc
        )
       ) as belonging
 order by kind, subject, lane

-- name: list
-- The states of one kind on a day, as known at a position, narrowed, in order, after where the page before ended.
select subject, lane, known_from, valid_from, doc,
       {version},
       {key}::text
  from {candidates},
       {held}
 where {conditions}
 order by {key} {direction}, candidates.stream {direction}
 limit %(limit)s

-- name: count
-- How many states of one kind there are on a day, as known at a position, narrowed in the same way.
select count(*)
  from {candidates},
       {held}
 where {conditions}

-- name: last_position
-- Where the last entry of a stream stands, as known at a position.
(
    select position
      from entries
     where entries.stream = candidates.stream
       and position <= %(known_at)s
     order by position desc
     limit 1
)

-- name: facets
-- How many of the states of one kind have which words, on a day, as known at a position. They are looked up once.
with counted as materialized (
    select candidates.stream, held.status, held.category, held.areas, held.day
      from {candidates},
           {held}
     where {conditions}
)
{facets}

-- name: facet_status
(
    select 'status' as facet, status as word, count(*) as states
      from counted as candidates
     where {conditions}
     group by status
     order by states desc, word
     limit %(most)s
)

-- name: facet_kind
(
    select 'kind' as facet, category as word, count(*) as states
      from counted as candidates
     where category is not null
       and {conditions}
     group by category
     order by states desc, word
     limit %(most)s
)

-- name: facet_area
(
    select 'area' as facet, word, count(*) as states
      from counted as candidates,
           unnest(areas) as word
     where {conditions}
     group by word
     order by states desc, word
     limit %(most)s
)

-- name: facet_party
-- The parties that a state refers to, and those that have a part in an agreement: as the filter finds them.
(
    select 'party' as facet, word, count(*) as states
      from counted as candidates,
           lateral (
               select distinct ref
                 from (
                       select distinct on (ref, lane) ref, holds
                         from refs
                        where refs.subject = candidates.stream
                          and ref > 'party:' and ref < 'party;'
                          and valid_from <= %(valid_at)s
                          and known_from <= %(known_at)s and known_to > %(known_at)s
                        order by ref, lane, valid_from desc
                      ) as turned
                where holds
           ) as parties (word)
     where {conditions}
     group by word
     order by states desc, word
     limit %(most)s
)

-- name: facet_year
-- The years of what lists are sorted by as their date, the last ones.
(
    select 'year' as facet, extract(year from day)::int::text as word, count(*) as states
      from counted as candidates
     where day is not null
       and {conditions}
     group by word
     order by min(day) desc
     limit %(most)s
)

-- name: candidates
-- Every stream of one kind that there was by then: there is one first entry each.
(
    select stream
      from entries
     where version = 1
       and stream > %(kind)s || ':' and stream < %(kind)s || ';'
       and position <= %(known_at)s
) as candidates

-- name: candidates_status
-- The streams of one kind that had a status on that day, as known then, as they stand in the index, whether it is their last status
-- or not; and those of which the ledger has learnt otherwise since.
(
    select stream
      from (
            (
            select subject as stream
              from statuses
             where kind = %(kind)s and status = %(status)s and {open}
               and valid_from <= %(valid_at)s and known_from <= %(known_at)s
             order by subject {direction}
            )
            union all
            (
            select subject
              from statuses
             where kind = %(kind)s and status = %(status)s and {ended}
               and valid_from <= %(valid_at)s and known_from <= %(known_at)s
             order by subject {direction}
            )
            union all
            (
            select subject
              from {believed}
             order by subject {direction}
            )
           ) as found
     order by stream {direction}
) as candidates

-- name: candidates_ref
-- The streams of one kind whose states refer to a subject, or, of a party, which have its part in them: of each turn the last by
-- that day.
(
    select distinct stream
      from (
            select distinct on (subject, lane) subject as stream, holds
              from refs
             where ref = {ref}
               and lane = any({lanes})
               and subject > %(kind)s || ':' and subject < %(kind)s || ';'
               and valid_from <= %(valid_at)s
               and known_from <= %(known_at)s and known_to > %(known_at)s
             order by subject {direction}, lane, valid_from desc
           ) as turned
     where holds
     order by stream {direction}
) as candidates

-- name: candidates_text
-- The streams of one kind that have the words, where these are few; else those that are looked at without the words: then a
-- page is soon full.
(
    with found as materialized (
        select subject
          from search
         where words @@ %(text)s::tsquery
           and split_part(subject, ':', 1) = %(kind)s  -- by no index but that of the words
           and valid_from <= %(valid_at)s and valid_to > %(valid_at)s
           and known_from <= %(known_at)s and known_to > %(known_at)s
         limit %(few)s + 1
    )
    select stream
      from (
            (
            select distinct subject as stream
              from found
             where (select count(*) from found) <= %(few)s
             order by stream {direction}
            )
            union all
            (
            select stream
              from {usual}
             where (select count(*) from found) > %(few)s
             order by stream {direction}
            )
           ) as either
     order by stream {direction}
) as candidates

-- name: candidates_overdue
-- The milestones that are late, among those of which something was due on that day, as known then.
(
    select subject as stream, due
      from (
            {rows}
           ) as found
     order by {order}
) as candidates

-- name: is_overdue
item = '' and due < %(valid_at)s

-- name: due_rows
-- What was due on a day, as known at a position, as far as one index has it.
(
select subject, item, due
  from due
 where {held}
   and valid_from <= %(valid_at)s
   and known_from <= %(known_at)s
   and {conditions}
 order by {order}
)

-- name: held_open
-- What the ledger says now, and no end of it.
valid_to = '9999-12-31' and known_to = 9223372036854775807

-- name: held_ended
-- What the ledger says now, and what ends on a later day.
valid_to < '9999-12-31' and valid_to > %(valid_at)s and known_to = 9223372036854775807

-- name: held_closed
-- What the ledger has learnt otherwise since.
valid_to > %(valid_at)s and known_to > %(known_at)s and known_to < 9223372036854775807

-- name: candidates_by_key
-- The streams of one kind that have one of these statuses, in the order of a key, as ``candidates_status`` finds them.
(
    select stream, {column}
      from (
            {open}
            union all
            {ended}
            union all
            (
            select subject, {key}
              from {believed}
             order by {key} {direction}, subject {direction}
            )
           ) as found
     order by {column} {direction}, stream {direction}
) as candidates

-- name: by_key
-- Those of them that one index has.
(
select subject as stream, {key} as {column}
  from statuses
 where kind = {kind} and status = any({statuses}) and {held}
   and valid_from <= %(valid_at)s and known_from <= %(known_at)s
 order by {key} {direction}, subject {direction}
)

-- name: count_statuses
-- How many states of one kind have one of these statuses on a day, as known at a position: each has one. From indexes alone.
select sum(states)::bigint
  from (
        select count(*) as states
          from statuses
         where kind = %(kind)s and status = any(%(statuses)s::text[]) and {open}
           and valid_from <= %(valid_at)s and known_from <= %(known_at)s
        union all
        select count(*)
          from statuses
         where kind = %(kind)s and status = any(%(statuses)s::text[]) and {ended}
           and valid_from <= %(valid_at)s and known_from <= %(known_at)s
        union all
        select count(*)
          from {believed}
       ) as counted

-- name: believed
-- The streams of one kind that were believed to have one of some statuses on that day. That was so for some time: for each length
-- of that time there is one place in the index where they can be.
(
    select subject, due, name
      from unnest({statuses}) as one (had),
           generate_series(1, 15) as long,
           lateral (
               select subject, due, name
                 from statuses
                where kind = %(kind)s and status = had and duration_log16 = long
                  and known_from > %(known_at)s - (1::bigint << 4 * long) and known_from <= %(known_at)s
                  and known_to > %(known_at)s and known_to < 9223372036854775807
                  and valid_from <= %(valid_at)s and valid_to > %(valid_at)s
               offset 0
           ) as those
     where %(known_at)s < (select position from projections where name = 'states')
) as believed

-- name: filter_none
true

-- name: filter_status
status = %(status)s

-- name: filter_category
category = %(category)s

-- name: filter_area
areas @> array[%(area)s::text]

-- name: filter_due_before
held.due < %(due_before)s

-- name: filter_year
day >= make_date(%(year)s::int, 1, 1)
and day < make_date(%(year)s::int + 1, 1, 1)

-- name: filter_overdue
(doc::json ->> 'overdue')::boolean = %(overdue)s

-- name: filter_in_force_for
-- Of a long lane the row says that it is so for some; for how many, the parties' own rows say.
doc::json ->> 'in_force_for' is not null
and (
    select count(*)
      from (
            select distinct on (lane) status
              from states
             where states.subject = candidates.stream
               and states.lane <> ''
               and states.valid_from <= %(valid_at)s
               and states.known_from <= %(known_at)s and states.known_to > %(known_at)s
             order by lane, states.valid_from desc
           ) as parts
     where parts.status = 'in_force'
) >= %(in_force_for)s

-- name: filter_text
(
    select true
      from search
     where search.subject = candidates.stream
       and search.words @@ %(text)s::tsquery
       and search.valid_from <= %(valid_at)s and search.valid_to > %(valid_at)s
       and search.known_from <= %(known_at)s and search.known_to > %(known_at)s
     limit 1
)

-- name: filter_ref
coalesce((
    select holds
      from refs
     where refs.subject = candidates.stream
       and refs.ref = %(ref)s
       and refs.lane = ''
       and refs.valid_from <= %(valid_at)s
       and refs.known_from <= %(known_at)s and refs.known_to > %(known_at)s
     order by refs.valid_from desc
     limit 1
), false)

-- name: filter_party
-- A party that the state refers to, or that has a part in the agreement on that day.
exists (
    select
      from (
            select distinct on (lane) holds
              from refs
             where refs.subject = candidates.stream
               and refs.ref = %(party)s
               and refs.valid_from <= %(valid_at)s
               and refs.known_from <= %(known_at)s and refs.known_to > %(known_at)s
             order by lane, refs.valid_from desc
           ) as turned
     where holds
)

-- name: filter_after
({key}, candidates.stream) {beyond} (%(after_key)s, %(after_subject)s)

-- name: retracted
-- The sources that have been retracted, on whatever day, as known at a position; and the documents that say by which entries.
select distinct on (subject) subject, doc
  from states
 where kind = 'source'
   and status = 'retracted'
   and lane = ''
   and known_from <= %(known_at)s and known_to > %(known_at)s
 order by subject, valid_from desc

-- name: unverified
-- Which of these entries cite sources, and none that still stands?
select position, cited.sources
  from entries,
       lateral (
           select array_agg(citation ->> 'source') as sources
             from coalesce(body #> '{data,replacement,sources}', body #> '{data,sources}') as given,
                  json_array_elements(case json_typeof(given) when 'array' then given end) as citation
       ) as cited
 where position = any(%(positions)b::bigint[])
   and cited.sources <@ %(retracted)b::text[]

-- name: timeline
-- The facts of a stream and those that mention it, in valid order, as they counted on a day and were known then. (Each line
-- is looked up by itself, whatever the planner has been told of the entries.)
select day, rank, root, subject,
       (select body::text from entries where entries.position = timeline.position)
  from timeline
 where about = %(subject)s
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and day <= %(valid_at)s
   and {conditions}
 order by day, rank, root
 limit %(limit)s

-- name: timeline_after
-- Where the page before ended.
(day, rank, root) > (%(after_day)s, %(after_rank)s, %(after_root)s)

-- name: history
-- Every entry of a stream, in the order of recording.
select body::text
  from entries
 where stream = %(subject)s
   and position <= %(known_at)s
 order by version

-- name: of_streams
-- Every entry of these streams, in the order of recording.
select position,
       body::text
  from entries
 where stream = any(%(streams)s::text[])
   and position <= %(known_at)s
 order by position

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
-- The lines that hold a mark, such as that of a mapping, in order, and all that strike an entry.
select body::text
  from entries
 where strpos(body::text, %(mark)s) > 0
    or type in ('entry.voided', 'entry.superseded')
 order by position

-- name: import_secret
select import_secret::text
  from head

-- name: event
select position, stream, entry_id::text, body::text
  from entries
 where {which}
   and position <= %(known_at)s

-- name: event_at
position = %(which)s

-- name: event_of
entry_id = %(which)s

-- name: corrections
-- What was recorded to correct an entry.
select position, type
  from entries
 where stream = %(stream)s
   and type like 'entry.%%'
   and (body #>> '{data,target}') in (%(position)s::text, %(entry_id)s::text)
   and position <= %(known_at)s
 order by position
