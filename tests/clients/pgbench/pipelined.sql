\set aid random(1, 100000)
\set delta random(1, 500)
\startpipeline
begin;
update pgbench_accounts set abalance = abalance + :delta where aid = :aid;
update pgbench_tellers set tbalance = tbalance + :delta where tid = 1 + :aid % 10;
update pgbench_branches set bbalance = bbalance + :delta where bid = 1;
commit;
\endpipeline
