begin;
declare portions scroll cursor for select n from generate_series(1, 1000) n;
fetch 3 from portions;
move 500 in portions;
fetch 2 from portions;
fetch backward 2 from portions;
fetch absolute 10 from portions;
close portions;
fetch 1 from portions;
rollback;
\set FETCH_COUNT 2
select n from generate_series(1, 5) n;
