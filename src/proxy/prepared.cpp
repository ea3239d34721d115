#include "proxy/prepared.hpp"

#include "base/assert.hpp"

namespace howdah::proxy {

Prepared::~Prepared() {
    if (registry != nullptr) {
        registry->forget(*this);
    }
}

PreparedRegistry::~PreparedRegistry() {
    ASSERT(by_body_.empty() && by_sql_.empty());
}

PreparedPtr PreparedRegistry::intern(std::string_view body, bool from_sql,
                                     const sql::Statement* facts, std::uint64_t text_id) {
    auto& table = from_sql ? by_sql_ : by_body_;
    if (const auto found = table.find(body); found != table.end()) {
        return found->second.lock();
    }
    auto prepared = std::make_shared<Prepared>();
    prepared->id = next_id_++;
    prepared->server_name = prefix_ + std::to_string(prepared->id);
    prepared->body = body;
    prepared->from_sql = from_sql;
    prepared->facts = sql::StatementRef(facts);
    prepared->text_id = text_id;
    prepared->registry = this;
    table.emplace(prepared->body, prepared);
    return prepared;
}

void PreparedRegistry::forget(const Prepared& prepared) {
    (prepared.from_sql ? by_sql_ : by_body_).erase(prepared.body);
}

}  // namespace howdah::proxy
