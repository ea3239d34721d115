begin;
declare held cursor with hold for select n from generate_series(1, 9) n;
commit;
fetch 3 from held;
select name, is_holdable from pg_cursors;
fetch 3 from held;
close held;
fetch 1 from held;
