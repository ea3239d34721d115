create table strict (n int primary key check (n > 0), t text not null);
insert into strict values (1, 'a');
selekt 1;
select * from no_such_table;
select no_such_column from strict;
select no_such_function(1);
select 'no number'::int;
select 1 / 0;
insert into strict values (1, 'b');
insert into strict values (-1, 'b');
insert into strict values (2, null);
select pg_read_file('/no/such');
do $$ begin raise exception 'own' using errcode = 'HW001', hint = 'try', detail = 'because'; end $$;
create function deep(n int) returns int language plpgsql as
    $$ begin if n = 0 then return 1 / n; end if; return deep(n - 1); end $$;
select deep(3);
select count(*) from strict;
