// RequestQueue: what was sent to the server and not answered yet, in order. Decides for each answer
// whether the client sees it.
//
//     kForward  the client asked, the server answers, the client gets the answer
//     kSwallow  we asked (an injected Parse or Close, parameters, a probe): the answer is ours
//     kFake     the client asked, we answer, when all before it has been answered
//
// After an error in the extended protocol the server ignores everything up to Sync: fail_to_sync()
// takes those requests out, and gives them back so that what they would have done is undone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/assert.hpp"
#include "net/loop.hpp"
#include "proxy/prepared.hpp"
#include "proxy/tap.hpp"
#include "sql/statement.hpp"

namespace howdah::proxy {

enum class RequestKind : std::uint8_t {
    kQuery,         // ends with ReadyForQuery
    kFunctionCall,  // ends with ReadyForQuery
    kSync,          // ends with ReadyForQuery
    kParse,
    kBind,
    kDescribe,
    kExecute,
    kClose,
};
enum class RequestAction : std::uint8_t { kForward, kSwallow, kFake };

// What an injected request was for.
enum class Purpose : std::uint8_t {
    kNone,
    kParameters,
    kProbe,
    kPrepare,
    kReplay,
    kRetry,
    kSequences
};

// What a text does to the names that SQL's own PREPARE makes. Carried out tag by tag, for a text of
// several statements may fail in the middle, and PREPARE is not undone by ROLLBACK.
struct SqlNames {
    struct Change {
        bool prepare = false;  // else DEALLOCATE
        std::string name;
        PreparedPtr prepared;
    };
    std::vector<Change> changes;  // not carried out yet, in order
    // Our name and the client's, for the server's error messages.
    std::vector<std::pair<std::string, std::string>> renamed;
    // Where our names stand in the text that the server got, in characters, and how long they and
    // the client's are: an error's position is told in the client's text.
    struct Place {
        std::size_t at = 0;
        std::size_t ours = 0;
        std::size_t theirs = 0;
    };
    std::vector<Place> places;
    std::size_t position_in_clients_text(std::size_t position) const;
};

struct Request {
    RequestKind kind = RequestKind::kQuery;
    RequestAction action = RequestAction::kForward;
    Purpose purpose = Purpose::kNone;
    bool ends_copy = false;             // Sync: it was sent behind a CopyDone or CopyFail
    bool error = false;                 // an ErrorResponse came for it
    PreparedPtr prepared;               // Parse, Close: the statement
    sql::StatementRef facts;            // Query, Execute: what runs
    std::string name;                   // Parse, Close: the client's name
    std::unique_ptr<Unnamed> replaced;  // Parse of the unnamed statement, Query: the one before
    std::unique_ptr<SqlNames> sql_names;
    std::string failure;        // an injected query's error
    std::uint64_t text_id = 0;  // Close of ours: the statement that leaves the server
    std::uint64_t params_hash = 0;
    TagTable::Seen tags;
    TapSlotPtr tap;
    net::TimePoint sent_at{};  // Query, Execute, FunctionCall: when it went to the server
    std::uint64_t bytes_in = 0;
    std::uint64_t rows = 0;
    std::array<char, 5> sqlstate{};

    bool ends_with_ready() const { return kind <= RequestKind::kSync; }
};

// Whether what it runs may make or remove statements by name.
inline bool changes_names(const Request& request) {
    const bool text = request.kind == RequestKind::kQuery || request.kind == RequestKind::kExecute;
    if (!text || request.action != RequestAction::kForward) {
        return false;
    }
    return request.facts.get() == nullptr
               ? request.kind == RequestKind::kQuery
               : request.facts->has(sql::kSqlPrepare | sql::kDiscardAll | sql::kSqlDeallocate |
                                    sql::kSqlDeallocateAll);
}

class RequestQueue {
  public:
    bool empty() const { return head_ == requests_.size(); }
    std::vector<Request>::iterator begin() {
        return requests_.begin() + static_cast<std::ptrdiff_t>(head_);
    }
    std::vector<Request>::iterator end() { return requests_.end(); }
    void erase(std::vector<Request>::iterator it) { requests_.erase(it); }
    std::size_t size() const { return requests_.size() - head_; }
    Request& front() {
        ASSERT(!empty());
        return requests_[head_];
    }
    Request& back() {
        ASSERT(!empty());
        return requests_.back();
    }
    Request& push(RequestKind kind, RequestAction action = RequestAction::kForward) {
        requests_.emplace_back();
        requests_.back().kind = kind;
        requests_.back().action = action;
        return requests_.back();
    }
    void pop() {
        ASSERT(!empty());
        requests_[head_++] = Request();
        if (empty()) {
            requests_.clear();
            head_ = 0;
            // An idle client keeps room for one batch of the usual size, no more.
            if (requests_.capacity() > 8) {
                requests_.shrink_to_fit();
            }
        } else if (head_ >= kAnsweredMax && head_ * 2 >= requests_.size()) {
            // A pipeline that never runs dry.
            requests_.erase(requests_.begin(), begin());
            head_ = 0;
        }
    }
    // Takes out all before the first Sync (or all), newest first.
    std::vector<Request> fail_to_sync() {
        std::size_t end = head_;
        while (end < requests_.size() && requests_[end].kind != RequestKind::kSync) {
            ++end;
        }
        std::vector<Request> skipped;
        for (std::size_t i = end; i > head_; --i) {
            skipped.push_back(std::move(requests_[i - 1]));
        }
        head_ = end;
        if (empty()) {
            requests_.clear();
            head_ = 0;
        }
        return skipped;
    }
    void put(Request request) { requests_.push_back(std::move(request)); }
    void clear() {
        requests_.clear();
        requests_.shrink_to_fit();
        head_ = 0;
    }
    std::size_t heap_bytes() const { return requests_.capacity() * sizeof(Request); }

  private:
    static constexpr std::size_t kAnsweredMax = 64;

    std::vector<Request> requests_;
    std::size_t head_ = 0;
};

}  // namespace howdah::proxy
