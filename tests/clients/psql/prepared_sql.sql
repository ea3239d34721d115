prepare twice (int) as select $1 * 2;
execute twice(1);
prepare twice as select 1;
select 1;
execute twice(3);
deallocate twice;
execute twice(1);
prepare twice as select 'another';
execute twice;
