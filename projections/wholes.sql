-- name: deltas
-- What the facts of each of several lanes did to the lists of its documents, up to a day, as known at a position, in valid order.
select asked.number, deltas.told
  from unnest(
           %(numbers)s::int[], %(subjects)s::text[], %(lanes)s::text[], %(known_ats)s::bigint[], %(valid_ats)s::date[]
       ) as asked (number, subject, lane, known_at, valid_at),
       lateral (
           select *
             from deltas
            where deltas.subject = asked.subject
              and deltas.lane = asked.lane
              and deltas.day <= asked.valid_at
              and deltas.known_from <= asked.known_at and deltas.known_to > asked.known_at
           offset 0
       ) as deltas
 order by asked.number, deltas.day, deltas.rank, deltas.root
