\o | md5sum
select n, md5(n::text) from generate_series(1, 100000) n;
\o
select count(*) from generate_series(1, 100000);
\set FETCH_COUNT 777
\o | md5sum
select n from generate_series(1, 20000) n;
\o
