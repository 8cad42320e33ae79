-- name: create
-- Every state of every stream over both clocks. Rows are derived from entries: drop them and rebuild at will.
create table if not exists progress (
    only_row       boolean     primary key default true check (only_row),
    version        integer     not null,
    position       bigint      not null,
    error          text,
    error_position bigint
);

create table if not exists states (
    kind       text   collate "C" not null,
    subject    text   collate "C" not null,
    lane       text   collate "C" not null,  -- '', or the party whose part in an agreement this is
    valid_from date   not null,              -- until the next row of the lane that is known then
    known_from bigint not null,
    known_to   bigint not null,              -- exclusive
    status     text   collate "C" not null,
    category   text   collate "C",           -- what the kind calls kind, type or instrument_type
    areas      text[] not null,
    refs       text[] not null,              -- every subject that the state refers to
    due        date,
    label      text   collate "C" not null,  -- what a text search looks through, case folded
    doc        text   not null               -- JSON that we made: taken as it is, and up to 4 KB kept as it is
) with (toast_tuple_target = 4080);

-- Which status each stream has on which days, as the ledger knew it then: one row from one turn to the next.
create table if not exists statuses (
    kind       text   collate "C" not null,
    status     text   collate "C" not null,
    subject    text   collate "C" not null,
    valid_from date   not null,
    valid_to   date   not null,              -- exclusive; the last of all days where none is known
    known_from bigint not null,
    known_to   bigint not null,
    digits     integer generated always as (length(to_hex(known_to - known_from))) stored  -- for how long, in hex
);

create table if not exists timeline (
    subject    text   collate "C" not null,
    day        date   not null,              -- the day that the fact counts from
    rank       integer not null,             -- its place in the lifecycle, for facts of one day
    root       bigint not null,              -- the entry whose place it has
    position   bigint not null,              -- the entry that says so
    mentions   text[] not null,
    known_from bigint not null,
    known_to   bigint not null
);

-- name: create_indexes
create index if not exists states_lane on states (subject, lane, valid_from, known_from, known_to);
create index if not exists states_retracted on states (subject) where status = 'retracted';
create index if not exists states_refs on states using gin (refs) with (fastupdate = off);
create index if not exists statuses_open on statuses (kind, status, valid_to, subject) include (valid_from, known_from)
    where known_to = 9223372036854775807;
create index if not exists statuses_closed on statuses (kind, status, digits, known_from)
    include (known_to, valid_from, valid_to, subject) where known_to < 9223372036854775807;
create index if not exists timeline_subject on timeline (subject, day, rank, root);
create unique index if not exists timeline_current on timeline (position)
    where known_to = 9223372036854775807;
create index if not exists timeline_mentions on timeline using gin (mentions) with (fastupdate = off);

-- name: analyze
-- What the planner needs to know of the rows: some thousand of them tell it enough. Of the documents it needs nothing.
set default_statistics_target = 30;

analyze states (kind, subject, lane, valid_from, known_from, known_to, status, category, areas, refs, due),
        statuses,
        timeline

-- name: start
insert into progress (version, position)
values (%(version)s, %(position)s)
on conflict do nothing

-- name: progress
select version,
       position,
       error,
       error_position
  from progress

-- name: position
select position
  from progress

-- name: behind
-- Is there anything that the rows do not show?
select head.size > progress.position
  from head,
       progress

-- name: lock_progress
select version,
       position,
       size,
       epoch
  from progress,
       head
   for update of progress

-- name: advance
update progress
   set position       = %(position)s,
       error          = %(error)s,
       error_position = %(error_position)s
 where position = %(before)s

-- name: be_brief
-- Who waits for the live tables keeps every reader waiting behind him: not for long, and less than it takes the database
-- (deadlock_timeout, 1 s) to give up a reader that waits for him and that he waits for.
set local lock_timeout = '200ms'

-- name: create_shares
-- The streams of a rebuild, dealt out by name: each share shows its streams up to ``after``, as they were at ``goal``.
create table shares (
    number         integer primary key,
    version        integer not null,
    goal           bigint  not null,
    after          text    collate "C" not null,
    upto           text    collate "C" not null,
    done           bigint  not null default 0,
    is_finished    boolean not null default false,
    error          text,
    error_position bigint
)

-- name: deal
-- Shares of about as many entries each.
insert into shares (number, version, goal, after, upto)
select part,
       %(version)s,
       head.size,
       coalesce(lag(last) over (order by part), ''),
       case when lead(part) over (order by part) is null then '~' else last end
  from head,
       (select part, max(stream) as last
          from (select stream, ntile(%(of)s) over (order by stream) as part from entries) as dealt
         group by part) as parts

-- name: size
select size
  from head

-- name: goal
select goal
  from shares
 limit 1

-- name: open_shares
select number
  from shares
 where not is_finished
 order by number

-- name: unfinished
select count(*)
  from shares
 where not is_finished

-- name: projected
-- How many entries the rows show.
select sum(done)
  from shares

-- name: stopped_share
select version,
       done,
       error,
       error_position
  from shares
 where error_position is not null
 order by error_position
 limit 1

-- name: lock_share
select after,
       upto,
       goal
  from shares
 where number = %(number)s
   and not is_finished
   for update

-- name: read_share
-- The next streams of a share, one after the other, and the names of persons as below.
select position,
       body::text,
       case when strpos(body::text, '{"commitment":') > 0
            then (select json_object_agg(pointer, value) from disclosures where disclosures.entry_id = entries.entry_id)
       end,
       stream
  from entries
 where stream > %(after)s
   and stream <= %(upto)s
   and position <= %(goal)s
 order by stream, version
 limit %(limit)s

-- name: advance_share
update shares
   set after          = %(after)s,
       done           = done + %(done)s,
       is_finished    = %(is_finished)s,
       error          = %(error)s,
       error_position = %(error_position)s
 where number = %(number)s

-- name: close_states
-- The ledger believed these until now.
update states
   set known_to = closed.known_to
  from unnest(
           %(subjects)b::text[],
           %(lanes)b::text[],
           %(valid_froms)b::date[],
           %(known_tos)b::bigint[]
       ) as closed (subject, lane, valid_from, known_to)
 where states.subject = closed.subject
   and states.lane = closed.lane
   and states.valid_from = closed.valid_from
   and states.known_to = 9223372036854775807

-- name: close_statuses
update statuses
   set known_to = closed.known_to
  from unnest(
           %(kinds)b::text[],
           %(statuses)b::text[],
           %(valid_tos)b::date[],
           %(subjects)b::text[],
           %(known_tos)b::bigint[]
       ) as closed (kind, status, valid_to, subject, known_to)
 where statuses.kind = closed.kind
   and statuses.status = closed.status
   and statuses.valid_to = closed.valid_to
   and statuses.subject = closed.subject
   and statuses.known_to = 9223372036854775807

-- name: close_timeline
update timeline
   set known_to = closed.known_to
  from unnest(%(positions)b::bigint[], %(known_tos)b::bigint[]) as closed (position, known_to)
 where timeline.position = closed.position
   and timeline.known_to = 9223372036854775807

-- name: copy_states
copy states (
    kind, subject, lane, valid_from, known_from, known_to, status, category, areas, refs, due, label, doc
) from stdin (format binary)

-- name: copy_statuses
copy statuses (kind, status, subject, valid_from, valid_to, known_from, known_to) from stdin (format binary)

-- name: copy_timeline
copy timeline (subject, day, rank, root, position, mentions, known_from, known_to) from stdin (format binary)

-- name: read_batch
-- What was recorded between two positions, in order; and the names of its persons, by pointer, as far as disclosed.
select position,
       body::text,
       case when strpos(body::text, '{"commitment":') > 0
            then (select json_object_agg(pointer, value) from disclosures where disclosures.entry_id = entries.entry_id)
       end
  from entries
 where position > %(after)s
   and position <= %(upto)s
 order by position

-- name: read_streams
-- What these streams held at a position, likewise.
select position,
       body::text,
       case when strpos(body::text, '{"commitment":') > 0
            then (select json_object_agg(pointer, value) from disclosures where disclosures.entry_id = entries.entry_id)
       end
  from entries
 where stream = any(%(streams)b::text[])
   and position <= %(upto)s
 order by position
