// SQL that parses, out of arbitrary bytes: each byte chooses one of a symbol's ways, so that a
// fuzzer reaches trees which mutated texts hardly ever become. Names are those of judge.hpp's
// history.
//
//     S statement  A part of ALTER TABLE  C column  K constraint  T type  N relation  L columns
//     I column of an index  E expression  Q query  F from  W where  B body of a function  O column
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

namespace howdah {

struct GrammarWay {
    char symbol;
    std::string_view text;  // $X: a symbol
};

// The first way of each symbol ends: it is taken when the bytes are used up or it gets too deep.
inline constexpr GrammarWay kGrammar[] = {
    {'S', "select 1"},
    {'S', "$Q"},
    {'S', "create table $N ($C)"},
    {'S', "create table if not exists $N ($C, $C, $K)"},
    {'S', "create temp table $N ($C) on commit drop"},
    {'S', "create unlogged table x2 (like $N including all)"},
    {'S', "create table x3 partition of $N for values in (1, 2)"},
    {'S', "create table x3 partition of $N default partition by range ($O)"},
    {'S', "create table x4 as $Q"},
    {'S', "create table x5 ($C, $K) inherits ($N) partition by hash ($O, ($E))"},
    {'S', "alter table $N $A"},
    {'S', "alter table only $N $A, $A"},
    {'S', "alter table if exists $N $A, $A, $A"},
    {'S', "alter table $N rename to x6"},
    {'S', "alter table $N rename column $O to $O"},
    {'S', "alter table $N rename constraint $O to y"},
    {'S', "alter table $N set schema app"},
    {'S', "alter table p attach partition $N for values from (1) to (maxvalue)"},
    {'S', "alter table p attach partition $N default"},
    {'S', "alter table p detach partition $N concurrently"},
    {'S', "alter table p detach partition $N finalize"},
    {'S', "create index on $N ($I)"},
    {'S', "create unique index concurrently if not exists x7 on $N using btree ($I, $I) where $E"},
    {'S', "create index x8 on only $N using gin ($I) include ($L) with (fillfactor = 70)"},
    {'S', "drop index concurrently if exists i, x7"},
    {'S', "reindex (concurrently) table $N"},
    {'S', "reindex index i"},
    {'S', "alter index i rename to x9"},
    {'S', "alter index i attach partition x7"},
    {'S', "drop table if exists $N, $N cascade"},
    {'S', "truncate $N, $N restart identity cascade"},
    {'S', "lock table $N in share row exclusive mode nowait"},
    {'S', "create type x10 as enum ('a', 'b')"},
    {'S', "create type x10 as (a $T, b $T)"},
    {'S', "create type x10 as range (subtype = $T)"},
    {'S', "alter type e add value if not exists 'b' before 'a'"},
    {'S', "alter type e rename value 'a' to 'z'"},
    {'S', "alter type x10 add attribute c $T cascade, drop attribute a"},
    {'S', "create domain x11 as $T default $E constraint k check ($E) not null"},
    {'S', "alter domain d add constraint k check ($E) not valid"},
    {'S', "alter domain d validate constraint k"},
    {'S', "alter domain d set not null"},
    {'S', "drop type if exists e, x10 cascade"},
    {'S', "create view x12 ($L) as $Q with check option"},
    {'S', "create or replace recursive view x12 (a) as $Q"},
    {'S', "create materialized view x13 as $Q with no data"},
    {'S', "refresh materialized view concurrently x13"},
    {'S', "drop view if exists v cascade"},
    {'S', "alter view v rename column a to b"},
    {'S', "create sequence x14 as bigint increment by -1 owned by $N.$O"},
    {'S', "alter sequence t_id_seq as smallint restart with 5"},
    {'S', "create function x15(a $T default $E, out b $T) language sql as $$$$select 1; $Q$$$$"},
    {'S', "create function x15() returns table (a $T) language sql begin atomic $Q; end"},
    {'S', "create or replace function f() returns int language plpgsql as $$$$begin $B end$$$$"},
    {'S', "create procedure x16(inout a $T) language plpgsql as $$$$begin $B $B end$$$$"},
    {'S', "do $$$$begin $B end$$$$"},
    {'S',
     "do language plpgsql $$$$declare r record; n int := 1; begin $B $B exception when others "
     "then $B end$$$$"},
    {'S', "call x16($E)"},
    {'S',
     "create trigger x17 before insert or update of $L on $N for each row when ($E) execute "
     "function f()"},
    {'S',
     "create constraint trigger x17 after delete on $N deferrable initially deferred for each "
     "row execute function f('x')"},
    {'S', "drop trigger x17 on $N"},
    {'S', "create rule x18 as on insert to $N where $E do instead ($Q; notify n)"},
    {'S', "create policy x19 on $N for select using ($E) with check ($E)"},
    {'S', "create statistics x20 (ndistinct) on $O, ($E) from $N"},
    {'S', "create extension if not exists hypopg schema public cascade"},
    {'S', "create schema if not exists app create table x21 ($C)"},
    {'S', "drop schema app, public cascade"},
    {'S', "create publication x22 for table $N ($L) where ($E)"},
    {'S', "grant select ($L), update on $N to public with grant option"},
    {'S', "alter default privileges in schema app revoke all on tables from public cascade"},
    {'S', "comment on column $N.$O is 'x'"},
    {'S', "comment on constraint k on $N is null"},
    {'S',
     "insert into $N ($L) values ($E), (default) on conflict ($O) where $E do update set $O = "
     "$E returning *"},
    {'S', "insert into $N overriding system value $Q on conflict on constraint k do nothing"},
    {'S', "update $N set $O = $E, ($L) = ($Q) from $F $W returning $E"},
    {'S', "delete from only $N using $F $W"},
    {'S', "delete from $N where current of c"},
    {'S',
     "merge into $N using $F on $E when matched and $E then update set $O = $E when matched "
     "then do nothing when not matched then insert ($L) values ($E)"},
    {'S', "with w as (delete from $N $W returning *) insert into $N select * from w"},
    {'S',
     "with recursive w(a) as ($Q union all select a + 1 from w) search depth first by a set o "
     "cycle a set c using k select * from w"},
    {'S', "copy $N ($L) from stdin with (format csv, header)"},
    {'S', "copy ($Q) to program 'x'"},
    {'S', "prepare x23 ($T) as $Q"},
    {'S', "execute x23($E, $E)"},
    {'S', "deallocate prepare all"},
    {'S', "declare c scroll cursor with hold for $Q"},
    {'S', "fetch relative -2 from c"},
    {'S', "explain (analyze, buffers off) $S"},
    {'S', "begin isolation level serializable read only"},
    {'S', "commit and chain"},
    {'S', "rollback to savepoint s"},
    {'S', "savepoint s"},
    {'S', "prepare transaction 'x'"},
    {'S', "set local lock_timeout = '2s'"},
    {'S', "set search_path to app, public"},
    {'S', "set statement_timeout to default"},
    {'S', "set session authorization default"},
    {'S', "reset all"},
    {'S', "discard temp"},
    {'S', "listen x"},
    {'S', "vacuum (full, analyze) $N ($L)"},
    {'S', "analyze $N"},
    {'S', "cluster $N using i"},
    {'S', "alter database a set work_mem = '1MB'"},
    {'S', "drop database a with (force)"},
    {'S', "alter system set fsync = off"},
    {'S', "security label on table $N is 'x'"},
    {'S', "import foreign schema a from server b into c"},
    {'S', "alter table all in tablespace a set tablespace b nowait"},
    {'S', "drop owned by a"},
    {'S', "alter role a set work_mem to 5"},
    {'S', "create aggregate x24($T) (sfunc = f, stype = $T)"},
    {'S', "create operator === (leftarg = $T, rightarg = $T, function = f)"},
    {'S', "create cast ($T as $T) with inout as implicit"},

    {'A', "set (fillfactor = 50)"},
    {'A', "add column $C"},
    {'A', "add column if not exists $C"},
    {'A', "add $K"},
    {'A', "add $K not valid"},
    {'A', "add constraint k unique using index x7"},
    {'A', "add constraint k primary key using index x7 deferrable"},
    {'A', "drop column if exists $O cascade"},
    {'A', "drop constraint if exists k"},
    {'A', "validate constraint k"},
    {'A', "alter constraint k deferrable initially deferred"},
    {'A', "alter column $O type $T using $E"},
    {'A', "alter $O set data type $T collate \"C\""},
    {'A', "alter $O set default $E"},
    {'A', "alter $O drop default"},
    {'A', "alter $O set not null"},
    {'A', "alter $O drop not null"},
    {'A', "alter $O drop expression if exists"},
    {'A', "alter $O add generated by default as identity (start 5)"},
    {'A', "alter $O drop identity if exists"},
    {'A', "alter $O set statistics 100"},
    {'A', "alter $O set storage external"},
    {'A', "alter $O set compression lz4"},
    {'A', "alter 1 set statistics 5"},
    {'A', "set tablespace x"},
    {'A', "set logged"},
    {'A', "set access method heap"},
    {'A', "cluster on i"},
    {'A', "inherit p"},
    {'A', "of x10"},
    {'A', "replica identity using index i"},
    {'A', "force row level security"},
    {'A', "disable trigger all"},
    {'A', "owner to current_user"},
    {'A', "reset (autovacuum_enabled)"},

    {'C', "c1 int"},
    {'C', "$O $T"},
    {'C', "$O $T not null default $E"},
    {'C', "$O $T null primary key"},
    {'C', "$O $T references $N ($O) on delete set null deferrable initially deferred"},
    {'C', "$O $T constraint k check ($E) no inherit unique nulls not distinct"},
    {'C', "$O $T generated always as ($E) stored"},
    {'C', "$O $T generated always as identity (sequence name q)"},
    {'C', "$O $T collate \"de_DE\" compression pglz"},

    {'K', "check ($E)"},
    {'K', "constraint k check ($E) no inherit"},
    {'K', "constraint k foreign key ($L) references $N ($L) match full on update cascade"},
    {'K', "foreign key ($O) references $N"},
    {'K', "constraint k unique ($L) include ($O)"},
    {'K', "primary key ($L)"},
    {'K', "exclude using gist ($O with =, $E with &&) where ($E)"},

    {'T', "int"},
    {'T', "text"},
    {'T', "varchar(20)"},
    {'T', "char(3)"},
    {'T', "numeric(10, 2)"},
    {'T', "bigserial"},
    {'T', "timestamptz(3)"},
    {'T', "timestamp without time zone"},
    {'T', "interval day to second(2)"},
    {'T', "jsonb"},
    {'T', "uuid[]"},
    {'T', "d"},
    {'T', "e[3][]"},
    {'T', "app.x10"},
    {'T', "bit varying(5)"},
    {'T', "setof double precision"},
    {'T', "t.a%type"},
    {'T', "\"char\""},

    {'N', "t"},
    {'N', "p"},
    {'N', "p1"},
    {'N', "v"},
    {'N', "app.t"},
    {'N', "x2"},
    {'N', "\"T \"\"q\""},
    {'N', "db.public.t"},

    {'O', "a"},
    {'O', "b"},
    {'O', "id"},
    {'O', "c"},
    {'O', "s"},
    {'O', "c1"},
    {'O', "\"Weird name\""},

    {'L', "a"},
    {'L', "$O, $O"},
    {'L', "$O, $O, $O"},

    {'I', "a"},
    {'I', "$O collate \"C\" text_pattern_ops desc nulls last"},
    {'I', "($E)"},
    {'I', "lower(b)"},

    {'E', "1"},
    {'E', "'x'"},
    {'E', "null"},
    {'E', "true"},
    {'E', "now()"},
    {'E', "$1"},
    {'E', "$O"},
    {'E', "t.$O"},
    {'E', "($E) + $E"},
    {'E', "$E = $E"},
    {'E', "not ($E and $E or $E)"},
    {'E', "$E is distinct from $E"},
    {'E', "$O is not null"},
    {'E', "$O in ($E, $E)"},
    {'E', "$O not in ($Q)"},
    {'E', "$O = any($E)"},
    {'E', "$O like 'x%' escape '!'"},
    {'E', "$O between symmetric $E and $E"},
    {'E', "exists ($Q)"},
    {'E', "($Q)"},
    {'E', "array[$E, $E]"},
    {'E', "row($E, $E) < row(1, 2)"},
    {'E', "case when $E then $E else $E end"},
    {'E', "coalesce($E, nullif($E, $E))"},
    {'E', "cast($E as $T)"},
    {'E', "$E::$T"},
    {'E', "f($E, variadic $E)"},
    {'E', "count(distinct $O order by $O) filter (where $E) over (partition by $O)"},
    {'E', "(x10).a[1:2]"},
    {'E', "nextval('t_id_seq')"},
    {'E', "set_config('work_mem', '1', $E)"},
    {'E', "pg_advisory_lock($E)"},
    {'E', "gen_random_uuid()"},
    {'E', "current_setting('x')"},
    {'E', "interval '1' day"},
    {'E', "b'1' || x'f' || E'\\n' || U&'\\0061' || 1e5 || -$E"},
    {'E', "$E at time zone 'utc'"},
    {'E', "extract(year from $E)"},
    {'E', "overlay($E placing $E from 1 for 2)"},
    {'E', "xmlelement(name a, xmlattributes($E as b), $E)"},
    {'E', "grouping($O)"},
    {'E', "operator_name operator(pg_catalog.+) 1"},
    {'E', "$O collate \"C\""},
    {'E', "t.*"},

    {'Q', "select 1"},
    {'Q', "select * from $F $W"},
    {'Q', "select $E, $E as x from $F $W order by $E desc nulls first limit $E offset $E"},
    {'Q', "select distinct on ($O) $E from $F $W for no key update of t skip locked"},
    {'Q', "select $E from $F group by rollup ($O), cube ($O), grouping sets ((), $O) having $E"},
    {'Q', "values ($E, $E), ($E, $E)"},
    {'Q', "table $N"},
    {'Q', "($Q) union all ($Q)"},
    {'Q', "($Q) except ($Q) order by 1 fetch first 5 rows with ties"},
    {'Q', "with w as materialized ($Q) select * from w, $F $W"},
    {'Q', "select $E into x25 from $F"},
    {'Q',
     "select sum(a) over w from $F window w as (order by $O rows between 1 preceding and "
     "current row exclude ties)"},

    {'F', "t"},
    {'F', "$N as t"},
    {'F', "$N t, $N"},
    {'F', "$N join $N as t2 on $E"},
    {'F', "$N left join $N as t2 using ($L)"},
    {'F', "$N cross join lateral ($Q) as t2 (a)"},
    {'F', "$N natural full join only $N as t2"},
    {'F', "($Q) as t"},
    {'F', "generate_series($E, $E) with ordinality as t (a, b)"},
    {'F', "rows from (f(), f()) as t"},
    {'F', "$N tablesample system (1) repeatable (2)"},
    {'F', "json_to_recordset($E) as t (a $T, b $T)"},

    {'W', ""},
    {'W', "where $E"},
    {'W', "where $O = $E and $O > $E"},
    {'W', "where $O in ($Q) or exists ($Q)"},

    {'B', "null;"},
    {'B', "perform f();"},
    {'B', "$S;"},
    {'B', "if $E then $B elsif $E then $B else $B end if;"},
    {'B', "for n in 1..3 loop $B end loop;"},
    {'B', "for r in $Q loop $B end loop;"},
    {'B', "foreach n in array $E loop $B exit when $E; end loop;"},
    {'B', "while $E loop $B end loop;"},
    {'B', "execute $E;"},
    {'B', "execute format('alter table %I add c int', $E) using $E;"},
    {'B', "begin $B exception when unique_violation then $B end;"},
    {'B', "declare x int; begin x := $E; $B end;"},
    {'B', "raise notice '%', $E;"},
    {'B', "return $E;"},
    {'B', "return query $Q;"},
    {'B', "return next;"},
    {'B', "commit; $B"},
    {'B', "case $E when 1 then $B else $B end case;"},
    {'B', "open c for $Q; fetch c into n; close c;"},
    {'B', "get diagnostics n = row_count;"},
    {'B', "call x16($E);"},
    {'B', "assert $E;"},
};

// One text from bytes; each is used once, from the front.
class Grammar {
  public:
    static constexpr int kDepthMax = 8;
    static constexpr std::size_t kTextMax = 8192;

    explicit Grammar(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

    bool done() const { return bytes_.empty(); }
    std::string statement() {
        std::string text;
        expand('S', 0, text);
        return text;
    }

  private:
    void expand(char symbol, int depth, std::string& text) {
        const std::string_view way = choose(symbol, depth >= kDepthMax || text.size() >= kTextMax);
        for (std::size_t i = 0; i < way.size(); ++i) {
            const bool is_symbol =
                way[i] == '$' && i + 1 < way.size() && way[i + 1] >= 'A' && way[i + 1] <= 'Z';
            if (is_symbol) {
                expand(way[++i], depth + 1, text);
            } else if (way[i] == '$' && way.substr(i).starts_with("$$$$")) {
                text += "$$";
                i += 3;
            } else {
                text += way[i];
            }
        }
    }
    std::string_view choose(char symbol, bool shortest) {
        std::size_t first = 0;
        while (kGrammar[first].symbol != symbol) {
            ++first;
        }
        std::size_t count = 1;
        while (first + count < std::size(kGrammar) && kGrammar[first + count].symbol == symbol) {
            ++count;
        }
        if (shortest || bytes_.empty()) {
            return kGrammar[first].text;
        }
        const std::size_t chosen = bytes_.front() % count;
        bytes_ = bytes_.subspan(1);
        return kGrammar[first + chosen].text;
    }

    std::span<const std::uint8_t> bytes_;
};

}  // namespace howdah
