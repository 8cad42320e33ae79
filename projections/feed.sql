-- name: lines
-- The entries between two positions that a subscriber wants, in order. An empty list wants all.
select position,
       entry_id::text,
       stream,
       type,
       body ->> 'authid',
       body::text
  from entries
 where position > %(after)s
   and position <= %(upto)s
   and (%(types)s::text[] = '{}' or type = any(%(types)s::text[]))
   and (%(subjects)s::text[] = '{}' or stream = any(%(subjects)s::text[]))
   and (%(kinds)s::text[] = '{}' or split_part(stream, ':', 1) = any(%(kinds)s::text[]))
   and (%(authors)s::text[] = '{}' or body ->> 'authid' = any(%(authors)s::text[]))
 order by position
 limit %(limit)s
