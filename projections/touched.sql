-- name: touched
-- Which streams have grown between two positions, and up to where; what their states refer to that were known at any time
-- since, and what their facts mention that began or ceased to count; and whether a source is or was retracted.
select grown.stream,
       grown.position,
       array(
           select distinct ref
             from refs
            where refs.subject = grown.stream
              and refs.lane = ''
              and refs.holds
              and refs.known_to > %(after)s
       ) as refs,
       coalesce(mentioned.subjects, '{}') as mentions,
       exists (
           select from states
            where states.subject = grown.stream
              and states.status = 'retracted'
              and states.known_to > %(after)s
       ) as is_retracted
  from (
        select stream, max(position) as position
          from entries
         where position > %(after)s and position <= %(upto)s
         group by stream
       ) as grown
  left join (
        select subject, array_agg(about) as subjects
          from (
                select subject, about
                  from timeline
                 where position > %(after)s and position <= %(upto)s
                   and about <> subject
                union
                select subject, about
                  from timeline
                 where known_to > %(after)s and known_to <= %(upto)s and known_to < 9223372036854775807
                   and about <> subject
               ) as counted
         group by subject
       ) as mentioned on mentioned.subject = grown.stream
 order by grown.position
