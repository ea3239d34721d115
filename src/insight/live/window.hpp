// Windows: puts the statements of one request together. A window's key is the first that there is:
//
//     kTrace        the traceparent in the statement's comment
//     kTransaction  BEGIN to COMMIT
//     kGroup        clients of one address, user, application, database and route, for an
//     application
//                   with a pool scatters one request over several connections; ends after 50 ms of
//                   silence or 2 s
//
// 1. Closed windows are handed on with their statements in the order in which they began.
// 2. Bounded: kOpenMax windows of kExecutionsMax statements and kWordsMax words of values; a full
//    window is closed, and the one that was silent longest makes room. Closed ones are used again:
//    once warm, nothing is allocated.
// 3. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/query_event.hpp"
#include "base/tap.hpp"

namespace howdah::insight::live {

// One statement in a window.
struct Execution {
    std::uint64_t key = 0;
    std::uint64_t parameters = 0;  // equal for equal parameters
    std::uint64_t session = 0;
    std::uint64_t tags_id = 0;
    std::uint64_t order = 0;  // for those that began in the same microsecond
    std::int64_t begin_us = 0;
    std::int64_t end_us = 0;
    std::uint64_t bind_classes = 0;
    std::uint64_t rows = 0;
    std::uint32_t effects = 0;
    std::uint32_t database = 0, user = 0, application = 0, client = 0;
    std::uint32_t words_at = 0;  // binds, then cells, in Window::words
    std::uint32_t server_us = 0;
    std::uint16_t rows_kept = 0;
    std::uint8_t binds = 0, columns = 0;
    std::uint8_t kind = 0;
    bool error = false;
};

enum class WindowKind : std::uint8_t { kTrace, kTransaction, kGroup };

struct Window {
    WindowKind kind = WindowKind::kGroup;
    bool burst = false;  // silence before and after: kGroup is one request then, most likely
    std::int64_t begin_us = 0;
    std::int64_t end_us = 0;
    std::vector<Execution> executions;
    std::vector<std::uint64_t> words;

    [[nodiscard]] std::span<const std::uint64_t> binds(const Execution& execution) const {
        return std::span(words).subspan(execution.words_at, execution.binds);
    }
    [[nodiscard]] std::span<const std::uint64_t> cells(const Execution& execution) const {
        return std::span(words).subspan(execution.words_at + execution.binds,
                                        std::size_t{execution.rows_kept} * execution.columns);
    }
};

class Windows {
  public:
    static constexpr std::size_t kOpenMax = 256;
    static constexpr std::size_t kExecutionsMax = 2048;
    static constexpr std::size_t kWordsMax = 16'384;
    static constexpr std::size_t kResultWordsMax = 4096;
    static constexpr std::int64_t kSilenceUs = 50'000;
    static constexpr std::int64_t kGroupUs = 2'000'000;
    static constexpr std::int64_t kTraceUs = 30'000'000;
    static constexpr std::int64_t kTransactionUs = 300'000'000;
    // How much later than its end an event may be told of.
    static constexpr std::int64_t kLateUs = 1'000'000;
    static constexpr std::size_t kTracesMax = 10'000;

    explicit Windows(std::function<void(const Window&)> closed) : closed_(std::move(closed)) {}

    // What a statement stands in.
    struct Place {
        std::uint64_t caller = 0;     // a hash of the route, 0 where none is known
        bool in_transaction = false;  // of a block, as Transactions has it
    };
    // `tap`: null when no values were seen.
    void add(const QueryEvent& event, Place place, const TapRecord* tap);
    // Closes what has been silent for long enough.
    void tick(std::int64_t now_us);
    void close_all();
    [[nodiscard]] std::size_t open() const { return open_.size(); }

  private:
    using Open = std::unordered_map<std::uint64_t, std::unique_ptr<Window>>;
    std::uint64_t trace_of(const QueryEvent& event, Place place);
    Window& window_of(const QueryEvent& event, std::uint64_t key, WindowKind kind);
    Open::iterator close(Open::iterator at);
    void make_room();

    std::function<void(const Window&)> closed_;
    Open open_;
    std::unordered_map<std::uint64_t, std::uint64_t> traces_;  // of transactions that are open
    std::vector<std::unique_ptr<Window>> spare_;
};

}  // namespace howdah::insight::live
