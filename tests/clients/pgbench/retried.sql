begin isolation level serializable;
select sum(n) as total from counters \gset
update counters set n = n + 1 where id = 1 + :client_id % 3;
commit;
