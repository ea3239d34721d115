#include "proxy/hidden_code.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/log.hpp"
#include "sql/statement.hpp"
#include "wire/message.hpp"

namespace howdah::proxy {

using namespace std::chrono_literals;

namespace {

// What runs triggers, rules, defaults and checks.
constexpr std::uint32_t kMayWrite = sql::kWrite | sql::kDdl | sql::kCopyIn | sql::kUnparsed;

// source: functions of users with what they say, without comments and without set_config(.., true),
// which ends with the transaction. Sources that have none of the words stay as they are.
// stateful: those that may change their session's state, and whoever calls one of them.
// native: built-in functions that do, as expressions of the catalog have them.
// used: what runs a stateful function, or a native one, without a text that says so.
// Catalogs by their numbers, which never change: 1247 pg_type, 1255 pg_proc, 1259 pg_class, 2604
// pg_attrdef, 2606 pg_constraint, 2618 pg_rewrite, 2620 pg_trigger, 3256 pg_policy, 3466
// pg_event_trigger; schema 11 is pg_catalog.
constexpr std::string_view kSql =
    "SET LOCAL jit = off; WITH RECURSIVE source(oid, name, arguments, scripted, text) AS (SELECT "
    "p.oid, "
    "p.proname::pg_catalog.text, p.proargtypes::pg_catalog.text, "
    "l.lanname OPERATOR(pg_catalog.<>) ALL ('{sql,plpgsql}'::pg_catalog.name[]), "
    "CASE WHEN f.text OPERATOR(pg_catalog.~*) "
    "'set_config|advisory_lock|pg_temp|[[:<:]](temp|temporary|listen|unlisten|prepare|hold|discard|"
    "deallocate|load|set|reset)[[:>:]]' THEN "
    "pg_catalog.regexp_replace(pg_catalog.regexp_replace(pg_catalog.regexp_replace("
    "pg_catalog.lower(f.text), '/[*].*?[*]/', ' ', 'g'), "
    "pg_catalog.concat('--[^', pg_catalog.chr(10), ']*'), ' ', 'g'), "
    "'set_config[[:space:]]*[(][^()]*([(][^()]*([(][^()]*[)][^()]*)*[)][^()]*)*,[[:space:]]*"
    "(is_local[[:space:]]*(=>|:=)[[:space:]]*)?true[[:space:]]*[)]', ' ', 'g') "
    "ELSE pg_catalog.lower(f.text) END "
    "FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid "
    "OPERATOR(pg_catalog.=) p.prolang AND l.lanname OPERATOR(pg_catalog.<>) ALL "
    "('{internal,c}'::pg_catalog.name[]), LATERAL (SELECT "
    "CASE WHEN p.prosrc OPERATOR(pg_catalog.=) '' THEN pg_catalog.pg_get_functiondef(p.oid) "
    "ELSE p.prosrc END) AS f(text) WHERE p.oid OPERATOR(pg_catalog.>=) 16384), "

    "stateful(oid, name, arguments, computes) AS (SELECT oid, pg_catalog.lower(name), arguments, "
    "text OPERATOR(pg_catalog.~) 'set_config[[:space:]]*[(][[:space:]]*[^[:space:]'']' FROM source "
    "WHERE text OPERATOR(pg_catalog.~) "
    "'set_config|pg_(try_)?advisory_lock|pg_temp|"
    "[[:<:]](create|into)[[:space:]]+(or[[:space:]]+replace[[:space:]]+)?"
    "((local|global)[[:space:]]+)?temp(orary)?[[:>:]]|"
    "[[:<:]](listen|unlisten|prepare|discard|deallocate)[[:>:]]|"
    "[[:<:]]with[[:space:]]+hold[[:>:]]|[[:<:]]load[[:space:]]+''|"
    "(^|[;''$]|[[:<:]](begin|then|else|loop)[[:>:]])[[:space:]]*"
    "(set|reset)[[:space:]]+(?!(local|constraints|transaction)[[:>:]])' "
    "OR scripted AND text OPERATOR(pg_catalog.~) '[\"`][[:space:]]*(set|reset)[[:space:]]' "
    "UNION SELECT s.oid, pg_catalog.lower(s.name), s.arguments, f.computes FROM stateful AS f JOIN "
    "source AS s "
    "ON CASE WHEN f.name OPERATOR(pg_catalog.~) '^[a-z0-9_]+$' THEN s.text OPERATOR(pg_catalog.~) "
    "pg_catalog.concat('[[:<:]]', f.name, '\"?[[:space:]]*[(]') "
    "ELSE pg_catalog.strpos(s.text, f.name) OPERATOR(pg_catalog.>) 0 END), "

    "native(pattern) AS (SELECT pg_catalog.concat(':funcid (', "
    "pg_catalog.string_agg(oid::pg_catalog.text, '|'), ')[[:space:]]') FROM pg_catalog.pg_proc "
    "WHERE pronamespace OPERATOR(pg_catalog.=) 11 AND proname OPERATOR(pg_catalog.=) ANY "
    "('{set_config,pg_advisory_lock,pg_advisory_lock_shared,pg_try_advisory_lock,"
    "pg_try_advisory_lock_shared}'::pg_catalog.name[])), "

    "used(class, object, part, computes) AS (SELECT d.classid, d.objid, d.objsubid, s.computes "
    "FROM pg_catalog.pg_depend "
    "AS d JOIN stateful AS s ON d.refobjid OPERATOR(pg_catalog.=) s.oid AND d.refclassid "
    "OPERATOR(pg_catalog.=) 1255 AND d.classid OPERATOR(pg_catalog.<>) 1255 "
    "UNION SELECT 2618, r.oid, 0, true FROM pg_catalog.pg_rewrite AS r, native AS n WHERE r.oid "
    "OPERATOR(pg_catalog.>=) 16384 AND (r.ev_action::pg_catalog.text OPERATOR(pg_catalog.~) "
    "n.pattern OR r.ev_qual::pg_catalog.text OPERATOR(pg_catalog.~) n.pattern) "
    "UNION SELECT 2604, a.oid, 0, true FROM pg_catalog.pg_attrdef AS a, native AS n WHERE "
    "a.adbin::pg_catalog.text OPERATOR(pg_catalog.~) n.pattern "
    "UNION SELECT 2606, c.oid, 0, true FROM pg_catalog.pg_constraint AS c, native AS n WHERE "
    "c.conbin::pg_catalog.text OPERATOR(pg_catalog.~) n.pattern "
    "UNION SELECT 3256, p.oid, 0, true FROM pg_catalog.pg_policy AS p, native AS n WHERE "
    "p.polqual::pg_catalog.text OPERATOR(pg_catalog.~) n.pattern OR "
    "p.polwithcheck::pg_catalog.text OPERATOR(pg_catalog.~) n.pattern "
    // Functions of users that a text calls without its being seen: one that has the name of a
    // built-in function, and `row.function`.
    "UNION SELECT 1255, s.oid, 0, s.computes FROM stateful AS s WHERE "
    "EXISTS (SELECT FROM pg_catalog.pg_proc AS b WHERE b.pronamespace OPERATOR(pg_catalog.=) 11 "
    "AND b.proname OPERATOR(pg_catalog.=) s.name::pg_catalog.name) "
    "OR EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.oid::pg_catalog.text "
    "OPERATOR(pg_catalog.=) s.arguments AND t.typtype OPERATOR(pg_catalog.=) 'c')), "

    // Where: `w` a write runs it, `d` DDL, `r` any statement. Null: nobody, a disabled trigger.
    "place(kind, class, object, part, computes) AS (SELECT CASE "
    "WHEN class OPERATOR(pg_catalog.=) 2620 THEN (SELECT 'w' FROM pg_catalog.pg_trigger AS t WHERE "
    "t.oid OPERATOR(pg_catalog.=) object AND t.tgenabled OPERATOR(pg_catalog.<>) 'D') "
    "WHEN class OPERATOR(pg_catalog.=) 3466 THEN 'd' "
    "WHEN class OPERATOR(pg_catalog.=) 2604 OR class OPERATOR(pg_catalog.=) 1259 THEN 'w' "
    "WHEN class OPERATOR(pg_catalog.=) 2618 THEN (SELECT CASE WHEN r.ev_type "
    "OPERATOR(pg_catalog.<>) '1' THEN 'w' WHEN c.relkind OPERATOR(pg_catalog.=) 'm' THEN 'd' "
    "ELSE 'r' END FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid "
    "OPERATOR(pg_catalog.=) r.ev_class WHERE r.oid OPERATOR(pg_catalog.=) object) "
    "WHEN class OPERATOR(pg_catalog.=) 2606 THEN (SELECT CASE WHEN c.contypid "
    "OPERATOR(pg_catalog.=) 0 THEN 'w' ELSE 'r' END FROM pg_catalog.pg_constraint AS c WHERE c.oid "
    "OPERATOR(pg_catalog.=) object) ELSE 'r' END, class, object, part, computes FROM used) "

    "SELECT kind, pg_catalog.count(*), pg_catalog.left(pg_catalog.min(pg_catalog.concat(o.type, "
    "' ', o.identity)), 200), pg_catalog.bool_or(computes) FROM place, LATERAL "
    "pg_catalog.pg_identify_object(class, object, "
    "part) "
    "AS o WHERE kind IS NOT NULL AND o.identity IS NOT NULL GROUP BY kind";

std::int64_t in_us(net::TimePoint time) {
    return time.time_since_epoch().count();
}

}  // namespace

std::string HiddenCode::sql(net::Duration answer_max) {
    return fmt::format("SET LOCAL statement_timeout = {}; {}", answer_max / 1ms, kSql);
}

void HiddenCode::take_row(std::span<const std::uint8_t> row, Question& question) {
    wire::Reader reader(row);
    std::string_view fields[4];
    bool whole = reader.u16() == std::size(fields);
    for (std::string_view& field : fields) {
        const std::uint32_t length = reader.u32();
        whole = whole && length != 0xffffffffU;
        field = whole ? reader.bytes(length) : std::string_view();
    }
    constexpr std::string_view kKinds = "wrd";  // as Place
    const std::size_t kind = whole && reader.ok() ? kKinds.find(fields[0]) : kKinds.npos;
    if (kind == kKinds.npos || fields[0].size() != 1) {
        question.places = kAnywhere;
        return;
    }
    question.places |= std::uint64_t{1} << kind;
    question.places |= fields[3] == "f" ? 0 : std::uint64_t{kComputes};
    std::string& example = question.examples[kind];
    example = fields[2];
    std::uint64_t count = 0;
    std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), count);
    if (count > 1) {
        example += fmt::format(" (and {} more)", count - 1);
    }
}

std::uint32_t HiddenCode::with_hidden(std::uint32_t effects) const {
    const std::uint64_t now = places();
    const bool runs = (now & kReads) != 0 || ((now & kWrites) != 0 && (effects & kMayWrite) != 0) ||
                      ((now & kDdl) != 0 && (effects & sql::kDdl) != 0);
    return effects | (runs ? std::uint32_t{sql::kUnknownCode} : 0U);
}

std::optional<HiddenCode::Question> HiddenCode::wants_to_know(net::TimePoint now) {
    std::atomic<std::int64_t>& from = is_known() ? due_us_ : not_before_us_;
    std::int64_t begin = from.load(std::memory_order_relaxed);
    if (in_us(now) < begin || !from.compare_exchange_strong(begin, in_us(now + kAnswerMax))) {
        return std::nullopt;
    }
    return Question{.schema = schema(), .asked_at = now, .places = 0, .examples = {}};
}

void HiddenCode::learn(std::uint64_t schema, std::uint64_t places) {
    std::uint64_t known = known_.load();
    while (known == kNothing || known >> kSchemaShift <= schema) {
        if (known_.compare_exchange_weak(known, schema << kSchemaShift | places)) {
            return;
        }
    }
}

void HiddenCode::answered(const Question& question, net::TimePoint now, const std::string& database,
                          std::size_t databases) {
    learn(question.schema, question.places);
    failures_ = 0;
    const net::Duration took = now - question.asked_at;
    due_us_ =
        in_us(now + std::max(kAgain, took * kShareIdle * static_cast<std::int64_t>(databases)));
    not_before_us_ = in_us(now + took * kShareMin);
    if (logged_.exchange(question.places) != question.places) {
        log_found(question, database);
    }
}

void HiddenCode::log_found(const Question& question, const std::string& database) {
    constexpr std::string_view kAfter[] = {"transaction that writes", "transaction", "DDL"};
    if (question.places == 0) {
        log::info("database \"{}\": nothing in its catalog changes session state any more",
                  database);
    }
    for (std::size_t place = 0; place < std::size(kAfter); ++place) {
        if ((question.places >> place & 1U) != 0) {
            log::info(
                "database \"{}\": {} may change session state: asking the server after each {}",
                database, question.examples[place], kAfter[place]);
        }
    }
}

void HiddenCode::not_answered(const Question& question, std::string_view why, net::TimePoint now,
                              const std::string& database) {
    due_us_ = not_before_us_ = in_us(now + kAfterFailure);
    if (++failures_ < kFailuresMax) {
        return;  // cancelled, say
    }
    if (failures_ == kFailuresMax) {
        log::warning(
            "database \"{}\": whether its triggers and views change session state is not known, "
            "and taken not to be so: {}",
            database, why);
    }
    learn(question.schema, 0);
    due_us_ = in_us(now + kAgain);
}

}  // namespace howdah::proxy
