-- name: create
-- Tiles of the tree, by level and index: full ones, and at the right edge partial ones that grow. Derived from the entries.
create table if not exists tiles (
    level  smallint not null,
    index  bigint   not null,
    hashes bytea    not null,
    primary key (level, index)
);
create table if not exists tree (
    only_row boolean primary key default true check (only_row),
    size     bigint  not null
);
insert into tree (size) values (0) on conflict do nothing

-- name: size
select size from tree

-- name: take
select size from tree for update

-- name: advance
update tree
   set size = %(size)s

-- name: empty
truncate tiles;
update tree
   set size = 0

-- name: lines
-- Entries as their bytes are stored.
select body::text
  from entries
 where position > %(after)s
   and position <= %(upto)s
 order by position

-- name: entries
select position,
       body::text
  from entries
 where position = any(%(positions)s)

-- name: tiles
select level,
       index,
       hashes
  from tiles
 where (level, index) in (select * from unnest(%(levels)b::smallint[], %(indexes)b::bigint[]))

-- name: write
insert into tiles (level, index, hashes)
select *
  from unnest(%(levels)b::smallint[], %(indexes)b::bigint[], %(hashes)b::bytea[])
    on conflict (level, index)
    do update set hashes = excluded.hashes
