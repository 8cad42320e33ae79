-- The one statement that records, and judges what it is told to record. It is a function as each of its statements then
-- sees what was committed before it: a single statement would look at the ledger as it was before it waited for head.

-- A version follows on the one before it in its stream: the key refuses a repetition, and this a gap.
-- (Here and below each row is looked up by itself, by the index, whatever the planner has been told of the table; and
-- planned once, as planning took longer than the rest.)
create function refuse_gap() returns trigger language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
begin
    if exists (
        select from added
         where version > 1
           and (
               select true
                 from {schema}.entries
                where entries.stream = added.stream
                  and entries.version = added.version - 1
                limit 1
           ) is null
    ) then
        raise exception 'a version must follow on the one before it in its stream'
            using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;

create trigger versions_follow
    after insert on entries
    referencing new table as added
    for each statement execute function refuse_gap();

alter table entries enable always trigger versions_follow;

-- One document is one source, and what counts is what was not struck: the function below sees to it.
drop trigger one_document_is_one_source on entries;
drop function refuse_second_source;

create index entries_replaced_sha256 on entries ((body #>> '{{data,replacement,data,sha256}}'))
    where type = 'entry.superseded';

create function holders(digests text[]) returns table (sha256 text, stream text)
    stable language sql as $$
    -- Which sources hold a document with one of these digests, by an entry that nothing has struck?
    select held.sha256,
           held.stream
      from (
            select body #>> '{{data,sha256}}' as sha256, stream, position, entry_id
              from {schema}.entries
             where type in ('source.registered', 'source.described')
               and body #>> '{{data,sha256}}' = any(digests)
            union all
            select body #>> '{{data,replacement,data,sha256}}', stream, position, entry_id
              from {schema}.entries
             where type = 'entry.superseded'
               and body #>> '{{data,replacement,data,sha256}}' = any(digests)
           ) as held
     where not exists (
               select from {schema}.entries as strike
                where strike.stream = held.stream
                  and strike.type in ('entry.voided', 'entry.superseded')
                  and strike.body #>> '{{data,target}}' in (held.position::text, held.entry_id::text)
           )
$$;

-- Record lines, in their order, as far as what they were decided on still stands.
--
-- Lists come as texts, one item a line: a tenth of what arrays cost to bind, and no item holds a newline. Lines that
-- stand or fall together are of one group; what a group rests on is checked here, once head is held and nobody else
-- records: the last version of streams (0: there is none), ids that must not be there, documents that no other source
-- may hold. A group that rests on what is no longer so is stale, and none of its lines is recorded.
--
-- verdict: 'recorded'; or else nothing is recorded, and why:
-- 'rolled back'  the last entry that the writer has seen is gone, or another one stands in its place
-- 'other clock'  the server's clock and the writer's differ by more than the tolerance
-- 'clock back'   the last entry was recorded later than now, by more than the tolerance
-- 'other day'    it is another day than the one on which the lines were decided
create function append_lines(
    groups text, streams text, versions text, types text, entry_ids text, rests text,
    base_groups text, base_streams text, base_versions text,
    absent_groups text, absent_ids text,
    digest_groups text, digests text, digest_streams text, digest_freed text,
    disclosed_ids uuid[], pointers text[], salts bytea[], "values" text[],
    seen_position bigint, seen_id uuid, seen_at timestamptz,
    decided_at timestamptz, decided_on date, tolerance interval, patience interval, barrier boolean,
    out verdict text, out base bigint, out recorded_at timestamptz, out epoch text, out stale integer[]
) language plpgsql set enable_seqscan = off set plan_cache_mode = force_generic_plan as $$
declare
    taken {schema}.head;
    arrived constant timestamptz := statement_timestamp();
    is_new constant boolean := streams <> '';
    recorded bigint;
begin
    -- From here on nobody else records, until our commit is done. Who records nothing need not wait for that.
    if is_new then
        select * into taken from {schema}.head where only_row for update;
    else
        select * into taken from {schema}.head where only_row;
    end if;
    base := taken.size;
    epoch := taken.epoch;
    recorded_at := greatest(taken.recorded_at, clock_timestamp());
    stale := '{{}}';
    verdict := case
        when seen_position > 0 and not exists (
                 select from {schema}.entries as seen
                  where seen.position = seen_position
                    and seen.entry_id = seen_id
                    and seen.recorded_at = seen_at
             )
            then 'rolled back'
        when clock_timestamp() - decided_at not between - tolerance and
             tolerance + least(clock_timestamp() - arrived, patience)
            then 'other clock'
        when taken.recorded_at - clock_timestamp() > tolerance
            then 'clock back'
        when (recorded_at at time zone 'UTC')::date <> decided_on
            then 'other day'
        else 'recorded'
    end;
    if verdict <> 'recorded' then
        recorded_at := case verdict when 'other day' then recorded_at else clock_timestamp() end;
        return;
    end if;

    select coalesce(array_agg(broken.number), '{{}}')
      into stale
      from (
            select based.number
              from unnest(string_to_array(base_groups, E'\n')::integer[], string_to_array(base_streams, E'\n'),
                          string_to_array(base_versions, E'\n')::integer[]) as based (number, stream, version)
             where based.version <> coalesce((
                       select max(entries.version)
                         from {schema}.entries
                        where entries.stream = based.stream
                   ), 0)
            union
            select absent.number
              from unnest(string_to_array(absent_groups, E'\n')::integer[],
                          string_to_array(absent_ids, E'\n')::uuid[]) as absent (number, id)
             where (select true from {schema}.entries where entries.entry_id = absent.id limit 1)
            union
            select claim.number
              from unnest(string_to_array(digest_groups, E'\n')::integer[], string_to_array(digests, E'\n'),
                          string_to_array(digest_streams, E'\n'), string_to_array(digest_freed, E'\n'))
                   as claim (number, sha256, stream, freed)
             where exists (
                       select from {schema}.holders(array[claim.sha256]) as held
                        where held.stream <> claim.stream
                          and held.stream is distinct from claim.freed
                   )
           ) as broken;

    if is_new then
        insert into {schema}.entries (position, stream, version, type, entry_id, recorded_at, body)
        select base + row_number() over (order by line.place),
               line.stream,
               line.version,
               line.type,
               line.entry_id,
               append_lines.recorded_at,
               (
                   '{{"sequence":"' || lpad((base + row_number() over (order by line.place))::text, 20, '0')
                   || '","recordedtime":"'
                   || to_char(append_lines.recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
                   || '",' || substr(line.rest, 2)
               )::json
          from unnest(string_to_array(groups, E'\n')::integer[], string_to_array(streams, E'\n'),
                      string_to_array(versions, E'\n')::integer[], string_to_array(types, E'\n'),
                      string_to_array(entry_ids, E'\n')::uuid[], string_to_array(rests, E'\n'))
               with ordinality as line (number, stream, version, type, entry_id, rest, place)
         where line.number <> all(stale);
        get diagnostics recorded = row_count;
        if recorded > 0 then
            update {schema}.head
               set size        = base + recorded,
                   recorded_at = append_lines.recorded_at
             where only_row;
        end if;
        if cardinality(disclosed_ids) > 0 then
            insert into {schema}.disclosures (entry_id, pointer, salt, value)
            select opened.*
              from unnest(disclosed_ids, pointers, salts, "values") as opened (entry_id, pointer, salt, value)
              join {schema}.entries on entries.entry_id = opened.entry_id and entries.position > base;
        end if;
    end if;
    if barrier and coalesce(recorded, 0) = 0 then
        -- What was found is seen, and may not have reached the standby yet: a commit of our own waits for both.
        perform pg_logical_emit_message(true, 'ledger', '');
    end if;
end
$$;

revoke execute on function append_lines from public;
revoke execute on function holders from public;
grant execute on function append_lines to {service};
grant execute on function holders to {service};
