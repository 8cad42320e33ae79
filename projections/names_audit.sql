-- name: named
-- The next entries that name persons, or for which a name is kept, each with its line and what opens its commitments.
select position,
       entry_id::text,
       body::text,
       (
           select json_object_agg(pointer, json_build_object('salt', encode(salt, 'hex'), 'value', value))
             from disclosures
            where disclosures.entry_id = entries.entry_id
       )
  from entries
 where position > %(after)s
   and (
           strpos(body::text, '{"commitment":') > 0
           or exists (select from disclosures where disclosures.entry_id = entries.entry_id)
       )
 order by position
 limit %(limit)s

-- name: told
-- Every erasure that the log tells of.
select target.entry_id,
       told.body #>> '{data,pointer}',
       told.position
  from entries as told
  join entries as target
    on target.stream = told.stream
   and told.body #>> '{data,target}' in (target.position::text, target.entry_id::text)
 where told.type = 'entry.value_erased'

-- name: untold
-- What is noted as erased, and no entry tells so.
select entries.position,
       erasures.pointer
  from erasures
  join entries using (entry_id)
  left join entries as told
    on told.position = erasures.position
   and told.type = 'entry.value_erased'
   and told.stream = entries.stream
   and told.body #>> '{data,pointer}' = erasures.pointer
   and told.body #>> '{data,target}' in (entries.position::text, entries.entry_id::text)
 where told.position is null
 order by entries.position

-- name: lost
-- Names that went with a database, as their entries came back from tiles.
select entry_id,
       pointer
  from lost_disclosures
