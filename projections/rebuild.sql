-- name: be_brief
-- Who waits for the live tables keeps every reader waiting behind him: not for long, and less than it takes the database
-- (deadlock_timeout, 1 s) to give up a reader that waits for him and that he waits for.
set local lock_timeout = '150ms'

-- name: create_partitions
-- The streams of a rebuild, apart by name: each partition shows its streams up to ``after``, as they were at ``goal``.
create table partitions (
    number         integer primary key,
    versions       text    not null,  -- of the projections that are rebuilt
    goal           bigint  not null,
    after          text    collate "C" not null,
    upto           text    collate "C" not null,
    done           bigint  not null default 0,
    is_finished    boolean not null default false,
    error          text,
    error_position bigint,
    last_id        uuid               -- of the entry at ``goal``
)

-- name: parts
-- The streams in parts of about as many entries each, by the last of each part.
select part,
       max(stream) as last
  from (select stream, ntile(%(of)s) over (order by stream) as part from entries) as assigned
 group by part

-- name: assign
-- Partitions of about as many entries each.
insert into partitions (number, versions, goal, last_id, after, upto)
select part,
       %(versions)s,
       head.size,
       (select entry_id from entries where position = head.size),
       coalesce(lag(last) over (order by part), ''),
       case when lead(part) over (order by part) is null then '~' else last end
  from head,
       ({parts}) as parts

-- name: goal
select goal
  from partitions
 limit 1

-- name: open_partitions
select number
  from partitions
 where not is_finished
   and versions = %(versions)s
 order by number

-- name: unfinished
select count(*)
  from partitions
 where not is_finished

-- name: projected
-- How many entries the rows show.
select sum(done)
  from partitions

-- name: stopped_partition
select error,
       error_position
  from partitions
 where error_position is not null
 order by error_position
 limit 1

-- name: lock_partition
select after,
       upto,
       goal
  from partitions
 where number = %(number)s
   and not is_finished
   and versions = %(versions)s
   for update

-- name: read_partition
-- The next streams of a partition, one after the other.
{entries}
 where stream > %(after)s
   and stream <= %(upto)s
   and position <= %(goal)s
 order by stream, version
 limit %(limit)s

-- name: advance_partition
update partitions
   set after          = %(after)s,
       done           = done + %(done)s,
       is_finished    = %(is_finished)s,
       error          = %(error)s,
       error_position = %(error_position)s
 where number = %(number)s

-- name: hold_progress
select from {live}.projections where name = any(%(names)s) order by name for update

-- name: take_progress
-- The progress of what was rebuilt is that of the new rows.
insert into {live}.projections (name, version, position, entry_id, built)
select name, version, position, entry_id, 1
  from {rebuild}.projections
on conflict (name) do update
   set version        = excluded.version,
       position       = excluded.position,
       entry_id       = excluded.entry_id,
       error          = null,
       error_position = null,
       built          = projections.built + 1

-- name: drop_former
-- What the version before had instead of the table of the projections.
drop table if exists {live}.progress

-- name: analyze_briefly
-- What the planner needs to know of the rows: some thousand of them tell it enough.
set default_statistics_target = 30

-- name: same
-- Whether what was begun is of these versions, and of the log as it is.
select bool_and(
           versions = %(versions)s
           and error is null
           and (goal = 0 or exists (select from entries where position = goal and entry_id = last_id))
       ) and %(position)s <= max(goal)
  from partitions
