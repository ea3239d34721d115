#!/usr/bin/python3
"""Prints src/migrate/builtin_functions.inc from a running PostgreSQL: every function of pg_catalog
that an expression may call, volatile ones apart. Usage: builtin_functions.py CONNECTION_STRING"""
import sys
import textwrap

import psycopg

QUERY = """
SELECT proname, bool_or(provolatile = 'v') FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind IN ('f', 'a', 'w')
  AND prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype)
  AND NOT 'internal'::regtype = ANY (proargtypes)
GROUP BY proname ORDER BY proname COLLATE "C"
"""


def literal(names):
    lines = textwrap.wrap(" ".join(names), 92, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f'    "{line} "' for line in lines)


def main():
    with psycopg.connect(sys.argv[1]) as connection:
        version = connection.info.server_version // 10000
        rows = connection.execute(QUERY).fetchall()
    print(f"// PostgreSQL {version}, written by tools/builtin_functions.py.")
    print("constexpr std::string_view kVolatileFunctions =")
    print(literal([name for name, volatile in rows if volatile]) + ";")
    print("constexpr std::string_view kSteadyFunctions =")
    print(literal([name for name, volatile in rows if not volatile]) + ";")


main()
