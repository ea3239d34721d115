#include "proxy/prepared.hpp"

#include "base/assert.hpp"

namespace howdah::proxy {

Prepared::~Prepared() {
    if (registry != nullptr) {
        registry->forget(*this);
    }
}

PreparedRegistry::~PreparedRegistry() {
    ASSERT(by_body_.empty());
}

PreparedPtr PreparedRegistry::make_sql(std::string_view body, const sql::Statement* facts) {
    auto prepared = std::make_shared<Prepared>();
    prepared->id = std::exchange(next_id_, next_id_ + id_step_);
    prepared->server_name = prefix_ + std::to_string(prepared->id);
    prepared->body = body;
    prepared->from_sql = true;
    prepared->facts = sql::StatementRef(facts);
    return prepared;
}

PreparedPtr PreparedRegistry::intern(std::string_view body, const KnownText& known) {
    if (const auto found = by_body_.find(body); found != by_body_.end()) {
        return found->second.lock();
    }
    auto prepared = std::make_shared<Prepared>();
    prepared->id = std::exchange(next_id_, next_id_ + id_step_);
    prepared->server_name = prefix_ + std::to_string(prepared->id);
    prepared->body = body;
    prepared->facts = sql::StatementRef(known.facts);
    prepared->text_id = known.text_id;
    prepared->tags.tags_id = known.tags.tags_id;  // a trace is of one call only
    prepared->registry = this;
    by_body_.emplace(prepared->body, prepared);
    return prepared;
}

void PreparedRegistry::forget(const Prepared& prepared) {
    by_body_.erase(prepared.body);
}

}  // namespace howdah::proxy
