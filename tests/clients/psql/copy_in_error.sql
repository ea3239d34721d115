create table copied_badly (n int);
copy copied_badly from stdin;
1
2
no number
4
\.
select count(*) from copied_badly;
copy no_such_table from stdin;
select 1;
