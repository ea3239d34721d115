copy (select n, 'row ' || n, null from generate_series(1, 5) n) to stdout;
\o | md5sum
copy (select n, 'row ' || n from generate_series(1, 20000) n) to stdout (format csv);
\o
copy (select 1 / (3 - n) from generate_series(1, 5) n) to stdout;
select 1;
