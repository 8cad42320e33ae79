-- name: indexes
create index if not exists states_lane on states (subject, lane, valid_from, known_from, known_to);
create index if not exists states_known on states (subject, lane, known_from, valid_from);
create index if not exists deltas_lane on deltas (subject, lane, day, rank, root, known_from, known_to);
create index if not exists states_retracted on states (subject) where status = 'retracted';
create index if not exists refs_ref on refs (ref, lane, subject, valid_from desc, known_from, known_to) include (holds);
create index if not exists refs_subject on refs (subject, ref, lane, valid_from desc, known_from, known_to) include (holds);
create index if not exists statuses_open on statuses (kind, status, valid_to, subject) include (valid_from, known_from)
    where known_to = 9223372036854775807;
create index if not exists statuses_due on statuses (coalesce(due, 'infinity'), subject)
    where kind = 'milestone' and valid_to = '9999-12-31' and known_to = 9223372036854775807;
create index if not exists statuses_due_last on statuses (coalesce(due, '-infinity'), subject)
    where kind = 'milestone' and valid_to = '9999-12-31' and known_to = 9223372036854775807;
create index if not exists statuses_name on statuses (kind, name, subject) include (status, valid_from, known_from)
    where valid_to = '9999-12-31' and known_to = 9223372036854775807;
create index if not exists statuses_closed on statuses (kind, status, duration_log16, known_from)
    include (known_to, valid_from, valid_to, subject) where known_to < 9223372036854775807;
