// ClientCounts: how many clients each database and each user has, over all loops. Looked at when a
// client logs in and when it leaves, never in between.
//
// 1. A name has an entry only while a client holds a Slot of it: bounded by the clients there are.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace howdah::proxy {

class ClientCounts {
  public:
    enum class Kind : std::uint8_t { kDatabase, kUser };

    // Counts one client under one name for as long as it lives.
    class Slot {
      public:
        Slot() = default;
        Slot(Slot&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)),
              entry_(other.entry_),
              kind_(other.kind_) {}
        Slot& operator=(Slot&& other) noexcept;
        ~Slot() { release(); }
        void release();
        bool held() const { return owner_ != nullptr; }

      private:
        friend class ClientCounts;
        ClientCounts* owner_ = nullptr;
        const std::pair<const std::string, int>* entry_ = nullptr;
        Kind kind_ = Kind::kDatabase;
    };

    // Counts a client in `slot`; returns how many there are with it.
    int enter(Kind kind, const std::string& name, Slot& slot);
    int count(Kind kind, std::string_view name) const;

  private:
    using Counts = std::map<std::string, int, std::less<>>;
    void leave(Kind kind, const std::string& name);

    mutable std::mutex mutex_;
    std::array<Counts, 2> counts_;
};

}  // namespace howdah::proxy
