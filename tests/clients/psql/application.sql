select id, name, priority, segment from organizations where segment = 'FINE_DINING'
    and priority <= 'B' order by id limit 20;
select o.segment, count(*), sum(p.amount) from opportunities p
    join organizations o on o.id = p.organization_id
    where p.stage not in ('WON', 'LOST') group by 1 order by 1;
\d organizations
\dT+ priority
begin;
insert into interactions (organization_id, user_id, kind, subject) values (1, 2, 'CALL', 'Called');
update organizations set tags = array_append(tags, 'seen') where id = 1 returning tags;
commit;
explain (costs off) select * from interactions where contact_id = 5;
