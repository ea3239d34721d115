prepare double (int) as select $1 * 2;
prepare upper_of (text) as select upper($1);
execute double(1);
execute upper_of('a');
begin;
execute double(2);
commit;
execute upper_of('b');
