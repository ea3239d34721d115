// Prepared statements, shared: what clients call by names of their own is on the servers once, by a
// name of ours. PreparedRegistry holds one Prepared for each different Parse (text, parameter types
// and how they are read), for as long as some client or request refers to it.
//
// 1. Two clients with equal text, types and reading share one Prepared; its id never comes back.
//    Not where they were told different columns of it: see Prepared::told.
// 2. The server's name is "HOWDAH_<id>", or "PGBOUNCER_<id>" under a pgbouncer.ini, where tools
//    look for it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/tag_table.hpp"
#include "server/parameters.hpp"
#include "sql/statement.hpp"

namespace howdah::proxy {

class PreparedRegistry;

// What decides, beside the text, what a text means: '2020-01-01 00:00' is another moment in another
// time zone, a table's name another table under another search_path. PostgreSQL reads a prepared
// statement once, with the settings of whoever prepared it; so only those who have the same share.
struct Reading {
    server::ParameterSetPtr parameters;  // those that count, interned
    std::uint64_t changes = 0;           // a hash of what the transaction has changed of them
    std::uint64_t own = 0;               // not 0: nobody else reads like this (temporary tables)
    std::uint64_t schema = 0;            // how often clients had changed the schema by then
    bool operator==(const Reading&) const = default;
    bool same_settings(const Reading& other) const {
        return parameters == other.parameters && changes == other.changes && own == other.own;
    }
};

// What clients were told of a statement's parameters and columns.
struct Description {
    std::string parameters;     // the body of ParameterDescription; empty: not told
    std::uint64_t columns = 0;  // a hash of their names and types; 0: not told

    bool known() const { return columns != 0; }
    // As a Parse says them too: their number, and an object id for each.
    bool lists_parameters() const { return parameters.size() % 4 == 2; }
    // What is not known yet becomes known.
    void add(const Description& more) {
        columns = known() ? columns : more.columns;
        parameters = parameters.empty() ? more.parameters : parameters;
    }
    // What is not known on both sides is not compared.
    bool agrees_with(const Description& other) const {
        return columns == other.columns &&
               (parameters.empty() || other.parameters.empty() || parameters == other.parameters);
    }
};

struct Prepared {
    std::uint64_t id = 0;
    std::string server_name;
    // The Parse body behind the name: text, zero, parameter types. For a PREPARE: the statement
    // from the parameter list or AS on, and `from_sql`.
    std::string body;
    bool from_sql = false;
    Reading reading;
    sql::StatementRef facts;
    std::uint64_t text_id = 0;
    TagTable::Seen tags;
    // What the first who asked was told; it does not change from then on. Whoever is told otherwise
    // has another Prepared, and whoever runs this where it is otherwise gets an error.
    mutable Description told;
    // Once it was otherwise somewhere, nobody new shares it.
    mutable bool retired = false;

    std::string_view text() const { return from_sql ? std::string_view(body) : body.c_str(); }
    ~Prepared();
    PreparedRegistry* registry = nullptr;
};
using PreparedPtr = std::shared_ptr<const Prepared>;

// What a client's name stands for.
struct NamedStatement {
    PreparedPtr prepared;
    bool told_parameters = false;  // this client was, and makes its values by them

    bool operator==(const NamedStatement&) const = default;
};
using NamedStatements = std::unordered_map<std::string, NamedStatement>;

// A client's unnamed statement: kept so that it can be parsed again on another server.
struct Unnamed {
    std::string body;         // as Prepared::body; empty: too large to keep
    std::uint64_t stamp = 0;  // never the same again, on any loop
    sql::StatementRef facts;
    std::uint64_t text_id = 0;
    TagTable::Seen tags;
};

// What is known of a text when it is prepared.
struct KnownText {
    const sql::Statement* facts = nullptr;
    std::uint64_t text_id = 0;
    TagTable::Seen tags;
    bool from_sql = false;       // the text is a PREPARE: what it prepares happens later
    std::uint32_t followed = 0;  // effects that are taken care of
};

class PreparedRegistry {
  public:
    // Ids are first_id, first_id + id_step, ...; never 0, which is nobody's.
    PreparedRegistry(std::string prefix, std::uint64_t first_id, std::uint64_t id_step);
    PreparedRegistry(const PreparedRegistry&) = delete;
    PreparedRegistry& operator=(const PreparedRegistry&) = delete;
    ~PreparedRegistry();

    // The shared statement for this body, read like this; made if nobody has it.
    PreparedPtr intern(std::string_view body, const KnownText& known, const Reading& reading);
    // The same for a client that was told this of it.
    PreparedPtr intern_told(std::string_view body, const KnownText& known, const Reading& reading,
                            const Description& told);
    // It is not what it was any more: whoever prepares its text from now on gets another.
    void retire(const Prepared& prepared);
    // A statement that SQL's PREPARE makes: never shared, for its name must be free.
    PreparedPtr make_sql(std::string_view body, const sql::Statement* facts);
    // What a name of ours means that a client says without having it from us: nothing, on any
    // server.
    bool owns(std::string_view name) const { return name.starts_with(prefix_); }
    NamedStatement& nobodys() { return nobodys_; }
    std::size_t size() const { return shared_.size(); }
    const std::string& prefix() const { return prefix_; }
    // On the servers.
    std::string name_of(std::uint64_t id) const { return prefix_ + std::to_string(id); }

  private:
    std::string prefix_;
    std::uint64_t next_id_;
    const std::uint64_t id_step_;
    PreparedPtr make(std::string_view body, const KnownText& known, const Reading& reading);
    NamedStatement nobodys_;
    // Views of what the Prepared holds.
    struct Key {
        std::string_view body;
        const server::ParameterSet* parameters = nullptr;
        std::uint64_t changes = 0;
        std::uint64_t own = 0;
        std::uint64_t schema = 0;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    static Key key_of(std::string_view body, const Reading& reading);
    std::unordered_map<Key, std::weak_ptr<const Prepared>, KeyHash> shared_;
};

}  // namespace howdah::proxy
