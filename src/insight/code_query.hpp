// CodeQuery: one call in TypeScript or JavaScript that sends a statement, by Prisma, Drizzle or a
// driver, with what its arguments say. Inside module insight.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "insight/module_graph.hpp"
#include "insight/query.hpp"
#include "insight/schema.hpp"

namespace howdah::insight {

enum class Orm : std::uint8_t { kPrisma, kDrizzle, kRaw };

// What a method does.
enum class Verb : std::uint8_t {
    kFindOne,
    kFindMany,
    kAggregate,  // count, aggregate, groupBy
    kCreate,
    kCreateMany,
    kUpdate,
    kUpdateMany,
    kUpsert,
    kDelete,
    kDeleteMany,
    kRaw,
};
bool is_write(Verb verb);

struct Condition {
    const Table* table = nullptr;  // that holds the column; nullptr = not known
    std::string column = {};       // as SQL names it, where known; else as the code does
    Test test = Test::kOther;
    NodeId node = kNoNode;
    NodeId value = kNoNode;
    bool list = false;         // in, inArray: many values at once
    bool insensitive = false;  // mode: 'insensitive', ilike
    bool relation = false;     // of a related table
    bool closed = false;       // a range with both its ends
    int alternative = 0;       // arm of an OR; 0 = holds always
};

struct OrderUse {
    std::string column = {};
    bool relation = false;
    NodeId node = kNoNode;
};

// A to-many relation that is loaded along.
struct Include {
    NodeId node = kNoNode;
    std::string_view field = {};
    const Table* table = nullptr;
    bool to_many = false;
    bool limited = false;
    bool projected = false;  // with a select or columns of its own
    bool filtered = false;   // with a where of its own
    int depth = 1;
};

struct CodeQuery {
    Orm orm = Orm::kPrisma;
    Verb verb = Verb::kFindMany;
    std::string_view method = {};
    std::string_view model = {};      // as the code names it
    const Table* table = nullptr;     // known, by model or variable
    NodeId call = kNoNode;            // the whole chain
    NodeId head = kNoNode;            // what the caret stands under: prisma.post.findMany
    NodeId client = kNoNode;          // prisma, ctx.db, tx
    std::vector<NodeId> inputs = {};  // argument lists
    bool certain = false;             // client or model is known, not only called so
    bool throwing = false;            // findUniqueOrThrow
    bool by_unique = false;           // findUnique, or conditions that hold a unique key
    bool open = false;                // some of the options are not in sight: a variable, a spread
    bool has_where = false;
    bool empty_where = false;  // where: {}
    bool limited = false;
    bool cursor = false;
    bool projected = false;
    bool grouped = false;
    bool joined = false;       // a chain with joins
    bool subquery = false;     // of another chain: exists(db.select()...), .as("x")
    bool fluent = false;       // prisma.user.findUnique(...).posts()
    bool many_values = false;  // values([...]) or data: [...]
    NodeId offset = kNoNode;
    NodeId limit = kNoNode;
    std::vector<Condition> conditions = {};
    std::vector<OrderUse> order = {};
    std::vector<Include> includes = {};
    int include_depth = 0;
    NodeId deepest = kNoNode;                    // the include at the third level
    NodeId nested_count = kNoNode;               // _count inside an include
    NodeId negation = kNoNode;                   // NOT
    NodeId random_order = kNoNode;               // orderBy(sql`random()`)
    std::vector<const Relation*> filtered = {};  // relations that the conditions go through
    // Raw SQL: the statement's text with $n for values, and where its bytes come from.
    bool piece = false;  // of a statement, by sql.raw(): only what is pasted into it is judged
    std::set<const Table*> tables = {};  // that the text names by Drizzle's variables
    std::string sql = {};
    std::vector<std::pair<std::size_t, Range>> pieces = {};  // offset in sql -> bytes of the file
    bool pasted_suspected = false;  // as a name, or as text that code put together
    bool pasted = false;            // a value is part of the text
    bool sql_certain = false;       // all of it is in sight
    NodeId pasted_node = kNoNode;
    // Drizzle: conditions written as sql`...`, each a text of its own as above.
    std::vector<CodeQuery> fragments = {};
};

// All queries of a file, in the order of the text.
std::vector<CodeQuery> find_queries(const ModuleGraph& graph, const Module& module,
                                    const Schema& schema);

// Inside: reads the options of one call.
void read_prisma_options(const Module& module, const Schema& schema, CodeQuery& query);
void read_drizzle_chain(const Module& module, const Schema& schema, CodeQuery& query,
                        const std::vector<std::pair<std::string_view, NodeId>>& links);
void read_drizzle_relational(const Module& module, const Schema& schema, CodeQuery& query);
// Text of a string or template as SQL; false when it is no SQL.
bool read_sql_text(const Module& module, const Schema& schema, NodeId literal, CodeQuery& query);
// The same for a piece of a statement, whatever it begins with.
bool read_sql_piece(const Module& module, const Schema& schema, NodeId literal, CodeQuery& query);
// pgTable variable or schema.users that `node` names; nullptr when unknown.
const Table* drizzle_table(const Module& module, const Schema& schema, NodeId node);

}  // namespace howdah::insight
