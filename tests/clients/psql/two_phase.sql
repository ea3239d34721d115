create table prepared_rows (n int);
select current_database() as name \gset
begin;
insert into prepared_rows values (1);
prepare transaction :'name';
commit prepared :'name';
begin;
insert into prepared_rows values (2);
prepare transaction :'name';
rollback prepared :'name';
select n from prepared_rows;
commit prepared 'none';
