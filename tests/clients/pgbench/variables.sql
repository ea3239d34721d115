\set aid random(1, 100)
select abalance as before from pgbench_accounts where aid = :aid \gset
select count(*) as tellers from pgbench_tellers \; select count(*) as branches from pgbench_branches \aset
update pgbench_accounts set abalance = :tellers * 100 + :branches where aid = :aid;
