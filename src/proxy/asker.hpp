// Asker: the session that brought a cancel request, which may be another loop's than the session to
// be cancelled, and gone before the answer comes. Its connection stays open until the server has
// taken the request: who waits for its end, as PQcancel() does, knows that no later query is hit.
#pragma once

#include <cstdint>

namespace howdah::proxy {

class Worker;
class PoolEntry;

struct Asker {
    Worker* worker = nullptr;  // null: nobody is to be told
    std::uint64_t session = 0;

    // On any loop.
    void tell_sent(const PoolEntry& entry) const;
    void tell_taken() const;
};

// Tells it at the end of a scope.
class TellTaken {
  public:
    explicit TellTaken(const Asker& asker) : asker_(asker) {}
    TellTaken(const TellTaken&) = delete;
    TellTaken& operator=(const TellTaken&) = delete;
    ~TellTaken() { asker_.tell_taken(); }

  private:
    const Asker asker_;
};

}  // namespace howdah::proxy
