-- name: names
-- The names of the persons at these places, as far as they are kept.
select entry_id,
       pointer,
       disclosures.value
  from unnest(%(entry_ids)b::uuid[], %(pointers)b::text[]) as place (entry_id, pointer)
  join disclosures using (entry_id, pointer)
