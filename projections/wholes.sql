-- name: steps
-- What the facts of each of several lanes did to the lists of its documents, up to a day, as known at a position, in valid order.
select asked.number, steps.told
  from unnest(
           %(numbers)s::int[], %(subjects)s::text[], %(lanes)s::text[], %(known_ats)s::bigint[], %(valid_ats)s::date[]
       ) as asked (number, subject, lane, known_at, valid_at),
       lateral (
           select *
             from steps
            where steps.subject = asked.subject
              and steps.lane = asked.lane
              and steps.day <= asked.valid_at
              and steps.known_from <= asked.known_at and steps.known_to > asked.known_at
           offset 0
       ) as steps
 order by asked.number, steps.day, steps.rank, steps.root
