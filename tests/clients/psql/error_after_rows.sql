select 100 / (500 - n) from generate_series(1, 1000) n;
select 'usable';
