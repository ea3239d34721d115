#include "proxy/prepared.hpp"

#include "base/assert.hpp"

namespace howdah::proxy {

Prepared::~Prepared() {
    if (registry != nullptr) {
        registry->retire(*this);
    }
}

PreparedRegistry::PreparedRegistry(std::string prefix, std::uint64_t first_id,
                                   std::uint64_t id_step)
    : prefix_(std::move(prefix)), next_id_(first_id), id_step_(id_step) {
    auto nobodys = std::make_shared<Prepared>();
    nobodys->server_name = name_of(0);
    nobodys_.prepared = std::move(nobodys);
}

PreparedRegistry::~PreparedRegistry() {
    ASSERT(shared_.empty());
}

PreparedPtr PreparedRegistry::make_sql(std::string_view body, const sql::Statement* facts) {
    auto prepared = std::make_shared<Prepared>();
    prepared->id = std::exchange(next_id_, next_id_ + id_step_);
    prepared->server_name = name_of(prepared->id);
    prepared->body = body;
    prepared->from_sql = true;
    prepared->facts = sql::StatementRef(facts);
    return prepared;
}

std::size_t PreparedRegistry::KeyHash::operator()(const Key& key) const {
    const std::size_t rest =
        std::hash<const void*>()(key.parameters) ^ key.changes ^ key.own ^ key.schema;
    return std::hash<std::string_view>()(key.body) ^ rest * 0x9e3779b97f4a7c15ULL;
}

PreparedRegistry::Key PreparedRegistry::key_of(std::string_view body, const Reading& reading) {
    return {body, reading.parameters.get(), reading.changes, reading.own, reading.schema};
}

PreparedPtr PreparedRegistry::make(std::string_view body, const KnownText& known,
                                   const Reading& reading) {
    auto prepared = std::make_shared<Prepared>();
    prepared->id = std::exchange(next_id_, next_id_ + id_step_);
    prepared->server_name = name_of(prepared->id);
    prepared->body = body;
    prepared->reading = reading;
    prepared->facts = sql::StatementRef(known.facts);
    prepared->text_id = known.text_id;
    prepared->tags.tags_id = known.tags.tags_id;  // a trace is of one call only
    prepared->registry = this;
    return prepared;
}

PreparedPtr PreparedRegistry::intern(std::string_view body, const KnownText& known,
                                     const Reading& reading) {
    if (const auto found = shared_.find(key_of(body, reading)); found != shared_.end()) {
        return found->second.lock();
    }
    PreparedPtr prepared = make(body, known, reading);
    shared_.emplace(key_of(prepared->body, prepared->reading), prepared);
    return prepared;
}

PreparedPtr PreparedRegistry::intern_told(std::string_view body, const KnownText& known,
                                          const Reading& reading, const Description& told) {
    PreparedPtr prepared = intern(body, known, reading);
    if (told.known() && prepared->told.known() && !prepared->told.agrees_with(told)) {
        prepared = make(body, known, reading);
        prepared->retired = true;
    }
    prepared->told.add(told);
    return prepared;
}

void PreparedRegistry::retire(const Prepared& prepared) {
    if (prepared.registry == this && !std::exchange(prepared.retired, true)) {
        shared_.erase(key_of(prepared.body, prepared.reading));
    }
}

}  // namespace howdah::proxy
