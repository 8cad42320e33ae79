-- name: touched
-- Which streams have grown between two positions, and up to where; what their states refer to that were known at any time
-- since, and what their facts mention that began or ceased to count; and whether a source is or was retracted.
select entries.stream,
       max(entries.position) as position,
       array(
           select distinct ref
             from refs
            where refs.subject = entries.stream
              and refs.lane = ''
              and refs.holds
              and refs.known_to > %(after)s
       ) as refs,
       array(
           select distinct mentioned.about
             from timeline as own
             join timeline as mentioned using (position)
            where own.about = entries.stream
              and own.subject = own.about
              and mentioned.about <> own.about
              and (own.known_from > %(after)s or own.known_to between %(after)s + 1 and %(upto)s)
       ) as mentions,
       exists (
           select from states
            where states.subject = entries.stream
              and states.status = 'retracted'
              and states.known_to > %(after)s
       ) as is_retracted
  from entries
 where position > %(after)s and position <= %(upto)s
 group by entries.stream
 order by position
