select pg_advisory_lock(77);
\! psql -X -At -d "$URI" -c "select pg_try_advisory_lock(77)"
select 1;
\! psql -X -At -d "$URI" -c "select pg_try_advisory_lock(77)"
select pg_advisory_unlock(77);
\! psql -X -At -d "$URI" -c "select pg_try_advisory_lock(77)"
select pg_advisory_unlock(77);
