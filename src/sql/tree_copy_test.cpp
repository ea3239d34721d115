#include "sql/tree_copy.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "sql/tree.hpp"

namespace howdah::sql {
namespace {

// As the library writes it when nobody takes the tree.
std::string written(const std::string& text) {
    const PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(text.c_str());
    std::string bytes(parsed.parse_tree.data == nullptr ? "" : parsed.parse_tree.data,
                      parsed.parse_tree.data == nullptr ? 0 : parsed.parse_tree.len);
    pg_query_free_protobuf_parse_result(parsed);
    return bytes;
}

// Nothing: refused, or not copied.
std::string copied(const std::string& text) {
    Arena arena(100);
    const CopiedParse parse = parse_into(arena, text.c_str());
    pg_query_free_protobuf_parse_result(parse.parsed);  // the library's memory is gone
    if (parse.tree == nullptr) {
        return {};
    }
    std::string bytes(protobuf_c_message_get_packed_size(&parse.tree->base), '\0');
    protobuf_c_message_pack(&parse.tree->base, reinterpret_cast<std::uint8_t*>(bytes.data()));
    return bytes;
}

TEST(TreeCopy, IsTakenFromTheLibrary) {
    EXPECT_FALSE(copied("select 1").empty())
        << "libpg_query calls its own functions: trees go through the wire format, at thrice the "
           "cost";
}

TEST(TreeCopy, IsWhatTheWireFormatSays) {
    const std::vector<std::string> texts{
        "",
        "select",
        "select 1; select '', -1.5e3, b'101', null, true, $1, 9999999999",
        "select a.*, \"B\" from s.t a join lateral (values (1, ''), (2, 'x')) v (i, t) using (i) "
        "where exists (select 1) and t like all (array['a', '']) group by rollup (a) having "
        "count(*) filter (where true) > 1 window w as (partition by a) order by 1 nulls last "
        "limit 1 for update of a nowait",
        "with recursive r as (select 1 union all select 2) insert into t (a) select * from r on "
        "conflict (a) where a > 1 do update set a = excluded.a returning *",
        "create function f(a int default 1, out b text) returns setof record language plpgsql as "
        "$$begin end$$",
        "create table t (id int generated always as identity, d text collate \"C\" default '' "
        "not null, check (d <> '') no inherit, exclude using gist (r with &&)) partition by range "
        "(id)",
        "alter table only t alter c type int using c::int, add foreign key (a) references p on "
        "delete cascade deferrable",
        "grant select (a), update on t to public; do $$begin end$$; copy t from stdin csv",
        "merge into t using s on true when matched then do nothing",
        "select 1 +",
        "\xff"};
    for (const std::string& text : texts) {
        EXPECT_EQ(copied(text), written(text)) << text;
    }
}

TEST(TreeCopy, IsTheSameForEveryCaseOfTheRules) {
    std::size_t statements = 0;
    for (const auto& file : std::filesystem::directory_iterator("src/migrate/rules")) {
        if (file.path().extension() != ".cases") {
            continue;
        }
        std::ifstream stream(file.path());
        std::stringstream whole;
        whole << stream.rdbuf();
        const std::string text = std::move(whole).str();
        for (const Piece& piece : split(text)) {
            const std::string one = text.substr(piece.begin, piece.end - piece.begin);
            ASSERT_EQ(copied(one), written(one)) << one;
            ++statements;
        }
    }
    EXPECT_GT(statements, 500U);
}

void check_fields(const ProtobufCMessageDescriptor& type,
                  std::set<const ProtobufCMessageDescriptor*>& seen) {
    if (!seen.insert(&type).second) {
        return;
    }
    for (unsigned i = 0; i < type.n_fields; ++i) {
        const ProtobufCFieldDescriptor& field = type.fields[i];
        const bool message = field.type == PROTOBUF_C_TYPE_MESSAGE;
        EXPECT_NE(field.type, PROTOBUF_C_TYPE_BYTES) << type.name << "." << field.name;
        EXPECT_TRUE(field.label != PROTOBUF_C_LABEL_REPEATED || message ||
                    field.type == PROTOBUF_C_TYPE_UINT64)
            << type.name << "." << field.name;
        if (&type == &pg_query__node__descriptor) {
            EXPECT_TRUE(message && field.offset == type.fields[0].offset) << field.name;
        }
        if (message) {
            check_fields(*static_cast<const ProtobufCMessageDescriptor*>(field.descriptor), seen);
        }
    }
}

TEST(TreeCopy, KnowsEveryKindOfFieldThatATreeHas) {
    std::set<const ProtobufCMessageDescriptor*> seen;
    check_fields(pg_query__parse_result__descriptor, seen);
    EXPECT_GT(seen.size(), 200U);
}

}  // namespace
}  // namespace howdah::sql
