#include "proxy/shared.hpp"

#include <sys/random.h>

#include <cstring>

#include "base/assert.hpp"

namespace howdah::proxy {

void fill_random(std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t n = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
        ASSERT(n > 0 || errno == EINTR);
        done += n > 0 ? static_cast<std::size_t>(n) : 0;
    }
}

namespace {

std::uint64_t random_number() {
    std::string bytes(sizeof(std::uint64_t), '\0');
    fill_random(bytes);
    std::uint64_t number = 0;
    std::memcpy(&number, bytes.data(), sizeof number);
    return number;
}

wire::Secret random_secret() {
    std::string bytes(32, '\0');
    fill_random(bytes);
    return wire::Secret{std::string_view(bytes)};
}

}  // namespace

Shared::Shared(config::ConfigPtr config)
    : secret(random_secret()), salt(random_number()), config_(std::move(config)) {}

config::ConfigPtr Shared::config() const {
    const std::scoped_lock lock(mutex_);
    return config_;
}

void Shared::publish(config::ConfigPtr config) {
    const std::scoped_lock lock(mutex_);
    config_ = std::move(config);
}

std::shared_ptr<const TlsContexts> Shared::tls() const {
    const std::scoped_lock lock(mutex_);
    return tls_;
}

void Shared::publish_tls(std::shared_ptr<const TlsContexts> tls) {
    const std::scoped_lock lock(mutex_);
    tls_ = std::move(tls);
}

std::shared_ptr<pool::Commons> Shared::commons(const std::string& database,
                                               const std::string& user) {
    const std::scoped_lock lock(mutex_);
    auto& commons = commons_[{database, user}];
    if (commons == nullptr) {
        commons = std::make_shared<pool::Commons>();
    }
    return commons;
}

namespace {

pool::Quota& quota_in(std::map<std::string, std::unique_ptr<pool::Quota>>& quotas,
                      const std::string& name) {
    auto& quota = quotas[name];
    if (quota == nullptr) {
        quota = std::make_unique<pool::Quota>();
    }
    return *quota;
}

}  // namespace

pool::Quota& Shared::database_quota(const std::string& database) {
    const std::scoped_lock lock(mutex_);
    return quota_in(database_quotas_, database);
}

pool::Quota& Shared::user_quota(const std::string& user) {
    const std::scoped_lock lock(mutex_);
    return quota_in(user_quotas_, user);
}

HiddenCode& Shared::hidden_code(const std::string& database) {
    const std::scoped_lock lock(mutex_);
    return hidden_code_[database];
}

std::size_t Shared::databases_asked() const {
    const std::scoped_lock lock(mutex_);
    return hidden_code_.size();
}

}  // namespace howdah::proxy
