-- name: append
-- Record these lines, as far as what they were decided on still stands: one round trip, one transaction.
select verdict,
       base,
       recorded_at,
       epoch,
       stale
  from append_lines(
           %(groups)s, %(streams)s, %(versions)s, %(types)s, %(entry_ids)s, %(rests)s,
           %(base_groups)s, %(base_streams)s, %(base_versions)s,
           %(absent_groups)s, %(absent_ids)s,
           %(digest_groups)s, %(digests)s, %(digest_streams)s, %(digest_freed)s,
           %(disclosed_ids)s::uuid[], %(pointers)b, %(salts)b, %(values)b,
           %(seen_position)s, %(seen_id)s, %(seen_at)s,
           %(decided_at)s, %(decided_on)s, %(tolerance)s, %(patience)s, %(barrier)s
       )

-- name: find_ids
-- At which positions do these ids stand, and with which lines?
select entry_id,
       position,
       body::text
  from entries
 where entry_id = any(%(entry_ids)b::uuid[])

-- name: notify
select pg_notify(%(channel)s, '')
