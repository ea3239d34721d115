\set QUIET on
\c
select 1;
\c
select 2;
\! for i in 1 2 3 4 5 6 7 8 9 10; do psql -X -At -d "$URI" -c "select $i"; done
