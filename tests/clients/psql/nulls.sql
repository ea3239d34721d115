\pset null '<null>'
select null, null::int, ''::text, array[null]::int[], row(null, 1);
select null as a, 'x' as b \gset
\echo :a :b
