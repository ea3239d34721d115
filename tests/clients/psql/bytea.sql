select string_agg(set_byte('\x00', 0, n), null order by n) as every from generate_series(0, 255) n \gset
select :'every'::bytea, length(:'every'::bytea);
set bytea_output = escape;
select substr(:'every'::bytea, 1, 40);
select md5(convert_to(repeat('x', 100000), 'UTF8'));
