-- name: strangers
-- Who else than the service has tables among what is derived?
select rolname
  from pg_class
  join pg_namespace on pg_namespace.oid = relnamespace
  join pg_roles on pg_roles.oid = relowner
 where nspname in (%(projections)s, %(rebuild)s)
   and relkind = 'r'
   and rolname <> %(service)s
 order by rolname = current_user, rolname
 limit 1

-- name: drop_derived
drop schema if exists {projections} cascade;
drop schema if exists {rebuild} cascade;

-- name: held
-- Who may do what, before the rights are given and after.
select array(
    select concat_ws(' ', relname, relacl)
      from pg_class
      join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = %(schema)s
    union all
    select concat_ws(' ', relname, attname, attacl)
      from pg_attribute
      join pg_class on pg_class.oid = attrelid
      join pg_namespace on pg_namespace.oid = relnamespace
     where nspname = %(schema)s
       and attacl is not null
    union all
    select concat_ws(' ', nspname, nspacl)
      from pg_namespace
     where nspname in (%(schema)s, %(projections)s, %(rebuild)s)
     order by 1
)

-- name: give
-- All that the service may do: add and read, and never change. The migrations gave it once; a dump may have lost it.
grant usage on schema {schema} to {service};
grant select, insert on entries, epochs, checkpoints, cosignatures, log_keys, lost_disclosures to {service};
grant select, update (size, recorded_at, epoch, stopped_at, stopped_reason) on head to {service};
grant select, insert on disclosures to {service};
grant select on erasures to {service};
grant select, insert, update (revoked_at) on api_keys to {service};
grant select, insert, delete on webhooks to {service};
grant update (generation, rotated_at, secret_sha256, epoch, position, entry_id, delivered_at, failures, failing_since,
              next_attempt_at, trouble, disabled_at)
   on webhooks to {service};
grant select on migrations to {service};
grant execute on function append_lines, holders, erase_again to {service};

-- What is derived belongs to the service: it may be dropped and rebuilt at any time.
create schema if not exists {projections};
create schema if not exists {rebuild};
grant all on schema {projections}, {rebuild} to {service};
