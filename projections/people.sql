-- name: told
-- What is known of the persons at these places: a name, as far as one is kept and the reader may see it, or its erasure.
select place.entry_id::text,
       place.pointer,
       disclosures.value,
       erasures.position,
       erasures.ground,
       %(names)s and lost.entry_id is not null
  from unnest(%(entry_ids)b::text[]::uuid[], %(pointers)b::text[]) as place (entry_id, pointer)
  left join erasures
    on erasures.entry_id = place.entry_id
   and erasures.pointer = place.pointer
  left join disclosures
    on %(names)s
   and erasures.position is null
   and disclosures.entry_id = place.entry_id
   and disclosures.pointer = place.pointer
  left join lost_disclosures as lost
    on disclosures.value is null
   and lost.entry_id = place.entry_id
   and lost.pointer = place.pointer

-- name: held
-- Every name that is held, with the entry that it stands in.
select entries.position,
       entries.stream,
       entries.type,
       disclosures.pointer,
       disclosures.value
  from disclosures
  join entries using (entry_id)
 order by entries.position, disclosures.pointer
