begin;
select 1 / 0;
select 1;
\echo :SQLSTATE
commit;
select 'usable';
