\set QUIET on
\lo_import all_types.psql
begin;
select lo_open(:LASTOID, 262144) as fd \gset
select md5(loread(:fd, 1000000)) = md5(pg_catalog.lo_get(:LASTOID)) as same,
       length(lo_get(:LASTOID)) > 1000 as long;
commit;
\lo_export :LASTOID /dev/null
\lo_unlink :LASTOID
\lo_unlink 1
select count(*) from pg_largeobject_metadata;
