set statement_timeout = 100;
select pg_sleep(20);
reset statement_timeout;
select 'usable';
set lock_timeout = 50;
show lock_timeout;
