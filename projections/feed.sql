-- name: lines
-- The entries between two positions that a subscriber wants, in order.
select position,
       entry_id::text,
       stream,
       type,
       body ->> 'authid',
       body::text
  from entries
 where position > %(after)s
   and position <= %(upto)s{wanted}
 order by position
 limit %(limit)s

-- name: log
-- The same as a page of the log is made of.
select position, body::text
  from entries
 where position > %(after)s
   and position <= %(upto)s{wanted}
 order by position {direction}
 limit %(limit)s

-- name: log_count
-- How many those are, as far as they are counted.
select count(*)
  from (
        select
          from entries
         where position > %(after)s
           and position <= %(upto)s{wanted}
         limit %(limit)s
       ) as found

-- name: one_of_types
type = %(types)s

-- name: any_of_types
type = any(%(types)s::text[])

-- name: one_of_subjects
stream = %(subjects)s

-- name: any_of_subjects
stream = any(%(subjects)s::text[])

-- name: one_of_kinds
stream > %(kinds)s || ':' and stream < %(kinds)s || ';'

-- name: any_of_kinds
split_part(stream, ':', 1) = any(%(kinds)s::text[])

-- name: one_of_authors
body ->> 'authid' = %(authors)s

-- name: any_of_authors
body ->> 'authid' = any(%(authors)s::text[])
