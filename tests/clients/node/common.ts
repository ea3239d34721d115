// What the Node.js drivers share: run every scenario, print one JSON line for each.
export const URI = process.env.DATABASE_URL!;
const DEADLINE_MS = 60_000;

export type Scenarios = Record<string, () => Promise<unknown>>;

// A driver's value as JSON that shows its type where text alone would not.
export function plain(value: unknown): unknown {
  if (value === undefined) return { undefined: true };
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : { number: String(value) };
  if (typeof value === "bigint") return { bigint: String(value) };
  if (value instanceof Date) return { date: value.toISOString() };
  if (value instanceof Uint8Array) {
    return { bytes: Buffer.from(value).toString("hex").slice(0, 600), length: value.length };
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object") {
    const name = value.constructor?.name ?? "Object";
    const entries = Object.entries(value).map(([k, v]) => [k, plain(v)]);
    return name === "Object" || name === "Row" ? Object.fromEntries(entries)
      : { [name]: String(value) === "[object Object]" ? Object.fromEntries(entries) : String(value) };
  }
  return { [typeof value]: String(value) };
}

const FIELDS = ["code", "severity", "detail", "hint", "position", "routine", "table", "constraint",
                "table_name", "constraint_name"];

// The fields of a driver's error, as far as they cannot differ between two runs.
export async function failure(action: Promise<unknown> | (() => Promise<unknown>)) {
  try {
    await (typeof action === "function" ? action() : action);
    return "no error";
  } catch (error: any) {
    const cause = error.cause?.code ? error.cause : error;
    const fields = FIELDS.filter((f) => cause[f] !== undefined && cause[f] !== null)
      .map((f) => [f, plain(cause[f])]);
    return { message: String(cause.message).replace(/\n[^]*/, ""), ...Object.fromEntries(fields) };
  }
}

function within<T>(promise: Promise<T>, name: string): Promise<T> {
  let timer: NodeJS.Timeout;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name}: no end in ${DEADLINE_MS} ms`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function main(scenarios: Scenarios): Promise<void> {
  const chosen = process.argv.slice(2);
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    let outcome: object;
    try {
      outcome = { result: plain(await within(scenario(), name)) };
    } catch (error: any) {
      outcome = { error: String(error.stack ?? error) };
    }
    console.log(JSON.stringify({ scenario: name, ...outcome }));
  }
  process.exit(0);
}

export const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
export const LONG_BYTES = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256));
export const WIDE_TEXT = "howdah! ".repeat(524_288);
export const JSON_VALUE = { a: [1, 2.5, null, true], q: "quote \" back \\ tab \t", nested: { b: [] } };
export const UNICODE = {
  name: "t\u00e4bl\u00eb \u4e2d\u6587 \u{1f418}",
  value: "\u00fcn\u00efc\u00f6d\u00e9 \u4e2d\u6587 \u0627\u0644 \u{1f418} e\u0301",
};
export const LEVELS = ["read committed", "repeatable read", "serializable"] as const;

export const ALL_TYPES = `select 32767::int2 as int2_value, -5::int4 as int4_value,
 9007199254740993::int8 as int8_value, 1.5::float4 as float4_value, 0.1::float8 as float8_value,
 'NaN'::float8 as nan_value, 12345678901234567890.123456789::numeric as numeric_value,
 true as bool_value, 'text'::text as text_value, 'var'::varchar(9) as varchar_value,
 'pad'::char(5) as char_value, '2024-02-29'::date as date_value,
 '2024-02-29 23:59:59.123456'::timestamp as timestamp_value,
 '2024-02-29 23:59:59.123456+02'::timestamptz as timestamptz_value,
 '12:34:56.789'::time as time_value,
 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid_value, '{"a": [1]}'::json as json_value,
 '{"a": [1]}'::jsonb as jsonb_value, '10.0.0.1/8'::inet as inet_value,
 '\\xdeadbeef'::bytea as bytea_value, '{1,2}'::int4[] as array_value,
 '{a,null,"b c"}'::text[] as texts_value, 'FINE_DINING'::segment as enum_value,
 B'101'::bit(3) as bit_value, 16384::oid as oid_value`;

export const MORE_TYPES = `select '1 year 2 mons 3 days 04:05:06'::interval as interval_value,
 '10.0.0.0/8'::cidr as cidr_value, '08:00:2b:01:02:03'::macaddr as macaddr_value,
 '(1,2)'::point as point_value, '[1,5)'::int4range as range_value, 12.34::money as money_value,
 'abc'::name as name_value, 'c'::"char" as letter_value, (1, 'x')::text as record_value`;

export const BAD_STATEMENTS: [string, unknown[]][] = [
  ["selekt 1", []], ["select * from no_such_table", []], ["select no_such_column from strict", []],
  ["select no_such_function(1)", []], ["select $1::int", ["no number"]],
  ["select 1 / $1::int", [0]], ["insert into strict values ($1, 'b')", [1]],
  ["insert into strict values ($1, 'b')", [-1]], ["insert into strict values ($1, null)", [2]],
  ["select $1::text::date", ["x"]],
  ["do $$ begin raise exception 'own' using errcode = 'HW001', hint = 'try', " +
   "detail = 'because'; end $$", []],
];
