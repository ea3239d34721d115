create table several (n int primary key);
insert into several values (1), (2)\; select n from several\; update several set n = n + 10\; select sum(n) from several;
insert into several values (99)\; select 1 / 0\; insert into several values (98);
begin\; insert into several values (50)\; commit\; insert into several values (51)\; select 1 / 0;
select n from several order by n;
\set SHOW_ALL_RESULTS off
select 1\; select 2;
