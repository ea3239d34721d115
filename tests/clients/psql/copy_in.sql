create table copied (n int, t text);
copy copied from stdin;
1	one
2	\N
3	tab\there
\.
\copy copied from program 'seq 1 20000 | sed "s/$/,row/"' csv
select count(*), count(t), sum(n) from copied;
