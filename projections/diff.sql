-- name: struck
-- By which corrections between two positions were these entries struck, and those that took their place? (Streams are looked
-- at one by one, whatever the planner has been told of the entries.)
with recursive struck (entry, by) as (
    select target.position, correction.position
      from unnest(%(gone)s::bigint[]) as one (gone),
           lateral (select * from entries where position = gone limit 1) as target,
           lateral (
               select position
                 from entries
                where stream = target.stream
                  and position > %(since)s and position <= %(upto)s
                  and type in ('entry.voided', 'entry.superseded')
                  and (body #>> '{data,target}') in (target.position::text, target.entry_id::text)
               offset 0
           ) as correction
    union
    select target.position, correction.position
      from struck,
           lateral (select * from entries where position = struck.by limit 1) as target,
           lateral (
               select position
                 from entries
                where stream = target.stream
                  and position > target.position and position <= %(upto)s
                  and type in ('entry.voided', 'entry.superseded')
                  and (body #>> '{data,target}') in (target.position::text, target.entry_id::text)
               offset 0
           ) as correction
)
select entry, by
  from struck

-- name: facts
-- The facts of some streams that count from a day after one and up to another, as known at a position.
select subject, position, day
  from timeline
 where about = any(%(streams)s)
   and subject = about
   and known_from <= %(known_at)s and known_to > %(known_at)s
   and day > %(since)s and day <= %(upto)s

-- name: steps_known
-- The documents of states on a day, wherever what was known of them changed between two positions: at which entry, and what
-- they say from there on.
select changed.subject, changed.lane, turn.position, %(valid_at)s::date, held.doc
  from unnest(%(subjects)s::text[], %(lanes)s::text[]) as changed (subject, lane),
       lateral (
           select distinct turned.position
             from (
                   select known_from, known_to
                     from states
                    where states.subject = changed.subject
                      and states.lane = changed.lane
                      and states.valid_from <= %(valid_at)s
                   union all
                   select known_from, known_to
                     from deltas
                    where deltas.subject = changed.subject
                      and deltas.lane = changed.lane
                      and deltas.day <= %(valid_at)s
                  ) as those,
                  lateral (values (known_from), (known_to)) as turned (position)
            where turned.position > %(since)s and turned.position <= %(upto)s
       ) as turn
  left join {held} on true
 order by turn.position

-- name: steps_valid
-- The documents of states as known at a position, on each day between two on which another state begins to hold, or says more.
select changed.subject, changed.lane, %(known_at)s::bigint, turn.day, held.doc
  from unnest(%(subjects)s::text[], %(lanes)s::text[]) as changed (subject, lane),
       lateral (
           select valid_from as day
             from states
            where states.subject = changed.subject
              and states.lane = changed.lane
              and states.known_from <= %(known_at)s and states.known_to > %(known_at)s
              and states.valid_from > %(since)s and states.valid_from <= %(upto)s
           union
           select day
             from deltas
            where deltas.subject = changed.subject
              and deltas.lane = changed.lane
              and deltas.known_from <= %(known_at)s and deltas.known_to > %(known_at)s
              and deltas.day > %(since)s and deltas.day <= %(upto)s
       ) as turn,
       {held}
 order by turn.day
