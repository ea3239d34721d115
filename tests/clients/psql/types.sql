\i all_types.psql
\x
\i all_types.psql
\copy (select n, n * 1.5 from generate_series(1, 3) n) to stdout csv header
