copy t from stdin;
1	x
\.
\set a 1
select :a, :'b', :"c" \g
