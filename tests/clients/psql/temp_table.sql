create temp table mine (n int);
insert into mine values (1);
insert into mine values (2);
select sum(n) from mine;
\! psql -X -d "$URI" -c "select * from mine"
create temp table fleeting (n int) on commit drop;
select * from fleeting;
drop table mine;
select * from mine;
