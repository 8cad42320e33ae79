-- name: create
-- What a witness remembers: the last checkpoint of each log that it has cosigned, and what proves that a log was forked:
-- another checkpoint of the same size.
create table witness (
    keys text not null
) strict;

create table checkpoints (
    origin      text primary key,
    size        integer not null,
    root        blob not null,
    note        text not null,  -- with the signatures that were verified, and the witness's own
    cosigned_at integer not null
) strict;

create table contradictions (
    origin     text not null,
    size       integer not null,
    root       blob not null,
    cosigned   text not null,  -- the checkpoint that had been cosigned
    submitted  text not null,
    refused_at integer not null,
    primary key (origin, size, root)
) strict;

create trigger checkpoints_never_go_back before update on checkpoints
when new.origin <> old.origin or new.size < old.size or (new.size = old.size and new.root <> old.root)
begin
    select raise(abort, 'a witness never goes back');
end;

create trigger checkpoints_are_never_forgotten before delete on checkpoints
begin
    select raise(abort, 'a witness never forgets');
end;

-- name: bind
insert into witness (keys) values (:keys)

-- name: bound
select keys from witness

-- name: begin
begin immediate

-- name: last
select size, root, note, cosigned_at from checkpoints where origin = :origin

-- name: keep
insert into checkpoints (origin, size, root, note, cosigned_at)
values (:origin, :size, :root, :note, :cosigned_at)
    on conflict (origin) do update
   set size        = excluded.size,
       root        = excluded.root,
       note        = excluded.note,
       cosigned_at = excluded.cosigned_at

-- name: contradict
-- The first hundred of a log are proof enough.
insert into contradictions (origin, size, root, cosigned, submitted, refused_at)
select :origin, :size, :root, :cosigned, :submitted, :refused_at
 where (select count(*) from contradictions where origin = :origin) < 100
    on conflict do nothing

-- name: contradictions
select cosigned, submitted from contradictions where origin = :origin order by rowid
