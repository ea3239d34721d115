\set QUIET on
\lo_import all_types.psql
\set number :LASTOID
begin;
select lo_open(:number, 262144) as fd \gset
select md5(loread(:fd, 1000000)) = md5(pg_catalog.lo_get(:number)) as same,
       length(lo_get(:number)) > 1000 as long;
commit;
\lo_export :number /dev/null
\lo_unlink :number
\lo_unlink 1
select count(*) from pg_largeobject_metadata;
