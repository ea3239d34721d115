select array[1, null, 3], array['a,b', 'c"d', E'e\\f', null, '', 'NULL'], array[[1, 2], [3, 4]],
       '{}'::text[], '[0:1]={1,2}'::int[];
