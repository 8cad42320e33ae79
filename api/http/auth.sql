-- name: create
insert into api_keys (name, key_sha256, role)
values (%(name)s, %(key_sha256)s, %(role)s)

-- name: lock
-- Several processes may start at once, each with the same key to see to.
select pg_advisory_xact_lock(hashtext('api_keys ' || current_schemas(false)::text))

-- name: revoke
update api_keys
   set revoked_at = clock_timestamp()
 where name = %(name)s
   and revoked_at is null

-- name: restore
-- The key that a name had before, and that another one has taken the place of.
update api_keys
   set revoked_at = null
 where key_sha256 = %(key_sha256)s
   and name = %(name)s
   and role = 'admin'

-- name: keys
-- Whose keys are these?
select name,
       role,
       key_sha256
  from api_keys
 where key_sha256 = any(%(digests)b::bytea[])
   and revoked_at is null

-- name: lookup
-- Whose keys are these, and how does the ledger stand?
select held.*,
       watermarks.*
  from ({watermarks}) as watermarks
  left join ({keys}) as held on true

-- name: list
select name,
       role,
       created_at,
       revoked_at
  from api_keys
 order by created_at
