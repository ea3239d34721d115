create table counted (id int generated always as identity, t text);
insert into counted (t) select 'x' from generate_series(1, 7);
update counted set t = 'y' where id <= 3;
delete from counted where id = 1;
select count(*) from counted;
\echo :ROW_COUNT
merge into counted using (values (2)) v (id) on counted.id = v.id when matched then delete;
truncate counted;
insert into counted (t) values ('a'), ('b') returning id, t;
create index on counted (t);
vacuum counted;
