-- PantryCRM's data, made rather than stored:
--     psql -v scale=1 -v seed=1 -f data.sql
-- The same scale and seed give the same rows on every server: each value is a hash of the row's
-- number, not random(). Scale 1 is 2,000 organizations and 40,000 interactions.
--
-- Skew as it is in life: r^3 picks the row, so a fifth of the organizations has three fifths of
-- the traffic, and the first ones have thousands of interactions and half have fewer than a dozen.
\if :{?scale} \else \set scale 1 \endif
\if :{?seed} \else \set seed 1 \endif
\set organizations 2000 * :scale
begin;

-- [0, 1), the same for the same row, use and seed.
create function pg_temp.r(row_number bigint, use_name text) returns double precision
language sql immutable as $$
    select (hashint8extended(row_number, hashtextextended(use_name, current_setting('pantry.seed')::bigint))
            & 9007199254740991)::double precision / 9007199254740992
$$;
create function pg_temp.pick(choices text[], r double precision) returns text
language sql immutable as $$
    select choices[1 + floor(r * cardinality(choices))::int]
$$;
select set_config('pantry.seed', :'seed', true) \g /dev/null

-- "Now" of the data, so that dates are the same in every run.
create function pg_temp.today() returns timestamptz
language sql immutable as $$ select timestamptz '2025-06-30 12:00:00+00' $$;

insert into users (email, name, role, active, created_at)
select format('user%s@pantry.example', i),
       pg_temp.pick('{Ana,Ben,Chloe,Dan,Elif,Femi,Grace,Hugo,Ines,Jon}', pg_temp.r(i, 'first')) || ' ' ||
       pg_temp.pick('{Almeida,Baker,Costa,Dubois,Evans,Fischer,Garcia,Haddad}', pg_temp.r(i, 'last')),
       (case when i = 1 then 'ADMIN' when i <= 4 then 'MANAGER' else 'REP' end)::user_role,
       pg_temp.r(i, 'active') < 0.9,
       pg_temp.today() - interval '3 years' * pg_temp.r(i, 'joined')
from generate_series(1, greatest(25, :scale * 10)) i;

insert into organizations (name, priority, segment, city, email, annual_volume, tags, details,
                           owner_id, last_seen_at, created_at, updated_at)
select pg_temp.pick('{Golden,Blue,Old,Little,Royal,Green,Copper,Salt,Olive,Harbor}', pg_temp.r(i, 'n1')) || ' ' ||
       pg_temp.pick('{Spoon,Table,Kitchen,Garden,Fork,Oven,Anchor,Lantern,Market,House}', pg_temp.r(i, 'n2')) || ' ' || i,
       (case when p < 0.05 then 'A' when p < 0.2 then 'B' when p < 0.6 then 'C' else 'D' end)::priority,
       pg_temp.pick(enum_range(null::segment)::text[], power(pg_temp.r(i, 'segment'), 1.7))::segment,
       pg_temp.pick('{Lisbon,Porto,Madrid,Paris,Lyon,Berlin,Hamburg,Vienna,Milan,Zürich}',
                    power(pg_temp.r(i, 'city'), 2)),
       case when pg_temp.r(i, 'hasmail') < 0.85 then format('office@org%s.example', i) end,
       round((1000 * exp(6 * (1 - p)))::numeric, 2),
       array(select distinct t from unnest(array[
                pg_temp.pick('{wine,fish,organic,bakery,dairy,halal,vegan,frozen}', pg_temp.r(i, 't1')),
                pg_temp.pick('{key-account,seasonal,new,credit-hold,referral}', pg_temp.r(i, 't2'))]) t
             where pg_temp.r(i, 'tagged') < 0.7 order by t),
       jsonb_build_object('seats', 20 + floor(180 * pg_temp.r(i, 'seats'))::int,
                          'delivery', jsonb_build_object('day', pg_temp.pick('{mon,tue,wed,thu,fri}', pg_temp.r(i, 'day')),
                                                         'dock', pg_temp.r(i, 'dock') < 0.3)),
       1 + floor(greatest(25, :scale * 10) * power(pg_temp.r(i, 'owner'), 2))::bigint,
       case when pg_temp.r(i, 'seen') < 0.8
            then pg_temp.today() - interval '200 days' * power(pg_temp.r(i, 'when'), 2) end,
       created, created + (pg_temp.today() - created) * pg_temp.r(i, 'updated')
from (select i, pg_temp.r(i, 'priority') p,
             pg_temp.today() - interval '5 years' * pg_temp.r(i, 'created') created
      from generate_series(1, :organizations) i) o;

-- One to six contacts each; the first is the primary one.
insert into contacts (organization_id, first_name, last_name, email, phone, position, is_primary,
                      created_at)
select o.id,
       pg_temp.pick('{Maria,Jean,Sofia,Luca,Anna,Omar,Eva,Tom,Nora,Paul,Leïla,José}', pg_temp.r(k, 'cf')),
       pg_temp.pick('{Silva,Martin,Rossi,Müller,Novak,Khan,Lopez,Weber,Moreau,Santos}', pg_temp.r(k, 'cl')),
       case when pg_temp.r(k, 'cm') < 0.9 then format('contact%s@org%s.example', k, o.id) end,
       case when pg_temp.r(k, 'cp') < 0.7 then '+351 ' || 200000000 + floor(99999999 * pg_temp.r(k, 'num'))::int end,
       pg_temp.pick('{Chef,Owner,Buyer,Manager,Sous-chef,Accountant}', pg_temp.r(k, 'cw')),
       j = 1, o.created_at + interval '30 days' * pg_temp.r(k, 'cc')
from organizations o
cross join lateral generate_series(1, 1 + floor(6 * power(pg_temp.r(o.id, 'contacts'), 2))::int) j
cross join lateral (select o.id * 10 + j as k) key
order by o.id, j;

insert into interactions (organization_id, contact_id, user_id, kind, subject, body, minutes,
                          happened_at)
select o.id,
       case when pg_temp.r(i, 'ic') < 0.8 then c.id end,
       o.owner_id, kind::interaction_kind,
       pg_temp.pick('{Order,Complaint,New menu,Price list,Delivery,Invoice,Season start}', pg_temp.r(i, 'is')),
       repeat(pg_temp.pick('{"Asked about the fish. ","Wants a tasting. ","Called back. ","Sent the list. "}',
                           pg_temp.r(i, 'ib')), (8 * power(pg_temp.r(i, 'il'), 3))::int),
       case when kind in ('CALL', 'VISIT', 'TASTING') then 5 + floor(90 * pg_temp.r(i, 'im'))::int else 0 end,
       pg_temp.today() - interval '2 years' * power(pg_temp.r(i, 'iw'), 1.5)
from (select i, 1 + floor(:organizations * power(pg_temp.r(i, 'io'), 3))::bigint organization_id,
             pg_temp.pick('{CALL,CALL,EMAIL,EMAIL,EMAIL,VISIT,TASTING,DELIVERY,DELIVERY,NOTE}',
                          pg_temp.r(i, 'ik')) kind
      from generate_series(1, 20 * :organizations) i) n
join organizations o on o.id = n.organization_id
join contacts c on c.organization_id = o.id and c.is_primary
order by i;

insert into leads (organization_id, company, email, source, status, score, owner_id, created_at)
select case when pg_temp.r(i, 'lo') < 0.5
            then 1 + floor(:organizations * pg_temp.r(i, 'lw'))::bigint end,
       'Bistro ' || i,
       case when pg_temp.r(i, 'lm') < 0.8 then format('hello@bistro%s.example', i) end,
       pg_temp.pick('{web,referral,fair,cold-call,partner}', power(pg_temp.r(i, 'ls'), 1.5)),
       pg_temp.pick('{NEW,NEW,CONTACTED,CONTACTED,QUALIFIED,CONVERTED,LOST,LOST,LOST,LOST}',
                    pg_temp.r(i, 'lt'))::lead_status,
       floor(101 * pg_temp.r(i, 'lp'))::smallint,
       case when pg_temp.r(i, 'ln') < 0.85
            then 1 + floor(greatest(25, :scale * 10) * pg_temp.r(i, 'lu'))::bigint end,
       pg_temp.today() - interval '1 year' * pg_temp.r(i, 'lc')
from generate_series(1, 2 * :organizations) i;

insert into opportunities (organization_id, lead_id, owner_id, name, stage, amount, probability,
                           expected_on, closed_at, created_at)
select o.id, case when i % 5 = 0 then i end, o.owner_id, 'Supply ' || o.name, stage::stage,
       round((200 * exp(5 * pg_temp.r(i, 'oa')))::numeric, 2),
       case stage when 'PROSPECT' then 10 when 'TASTING' then 25 when 'PROPOSAL' then 50
                  when 'NEGOTIATION' then 75 when 'WON' then 100 else 0 end,
       (created + interval '90 days' * (1 + pg_temp.r(i, 'oe')))::date,
       case when stage in ('WON', 'LOST') then created + interval '60 days' * pg_temp.r(i, 'od') end,
       created
from (select i, 1 + floor(:organizations * power(pg_temp.r(i, 'oo'), 3))::bigint organization_id,
             pg_temp.pick('{PROSPECT,TASTING,PROPOSAL,NEGOTIATION,WON,WON,WON,LOST,LOST,LOST}',
                          pg_temp.r(i, 'ot')) stage,
             pg_temp.today() - interval '400 days' * pg_temp.r(i, 'oc') created
      from generate_series(1, 3 * :organizations / 2) i) n
join organizations o on o.id = n.organization_id
order by i;

commit;
analyze users, organizations, contacts, interactions, leads, opportunities;
