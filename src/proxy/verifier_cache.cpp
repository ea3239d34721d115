#include "proxy/verifier_cache.hpp"

namespace howdah::proxy {

wire::ScramVerifier VerifierCache::find(const std::string& user, const wire::Secret& password,
                                        int iterations) {
    const auto found = entries_.find(user);
    if (found != entries_.end() && found->second.verifier.iterations == iterations &&
        found->second.password == password) {
        return found->second.verifier;
    }
    if (entries_.size() >= kUsersMax) {
        entries_.clear();
    }
    const std::string salt = mock(user, iterations).salt;
    Entry entry{password, wire::make_verifier(password.reveal(), salt, iterations)};
    ++computed_;
    return entries_.insert_or_assign(user, std::move(entry)).first->second.verifier;
}

}  // namespace howdah::proxy
