"""Statements that several drivers run alike."""

ALL_TYPES = """select 32767::int2 as int2_value, -5::int4 as int4_value,
 9007199254740993::int8 as int8_value, 1.5::float4 as float4_value, 0.1::float8 as float8_value,
 'NaN'::float8 as nan_value, 12345678901234567890.123456789::numeric as numeric_value,
 true as bool_value, 'text'::text as text_value, 'var'::varchar(9) as varchar_value,
 'pad'::char(5) as char_value, '2024-02-29'::date as date_value,
 '2024-02-29 23:59:59.123456'::timestamp as timestamp_value,
 '2024-02-29 23:59:59.123456+02'::timestamptz as timestamptz_value,
 '12:34:56.789'::time as time_value, '1 year 2 mons 3 days 04:05:06'::interval as interval_value,
 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid_value, '{"a": [1]}'::json as json_value,
 '{"a": [1]}'::jsonb as jsonb_value, '10.0.0.1/8'::inet as inet_value,
 '10.0.0.0/8'::cidr as cidr_value, '08:00:2b:01:02:03'::macaddr as macaddr_value,
 '(1,2)'::point as point_value, B'101'::bit(3) as bit_value, '\\xdeadbeef'::bytea as bytea_value,
 '{1,2}'::int4[] as array_value, '[1,5)'::int4range as range_value,
 'FINE_DINING'::segment as enum_value, 12.34::money as money_value, 'abc'::name as name_value,
 'c'::"char" as letter_value, 16384::oid as oid_value"""

MANY_ROWS = "select n from generate_series(1, 100000) n"

UNICODE = {"name": "t\u00e4bl\u00eb \u4e2d\u6587 \U0001f418",
           "value": "\u00fcn\u00efc\u00f6d\u00e9 \u4e2d\u6587 \u0627\u0644 \U0001f418 e\u0301"}

APPLICATION = (
    ("select id, name, priority, segment::text from organizations where segment = 'FINE_DINING' "
     "and priority <= 'B' order by id limit 20", None),
    ("select o.segment::text, count(*), sum(p.amount) from opportunities p join organizations o "
     "on o.id = p.organization_id where p.stage not in ('WON', 'LOST') group by 1 order by 1",
     None),
    ("select c.first_name, c.last_name from contacts c where c.organization_id in (1, 2, 3) "
     "order by c.id", None),
    ("update organizations set tags = array_append(tags, 'seen') where id = 1 returning tags",
     None),
)
