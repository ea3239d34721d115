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

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
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
    kSequences,
    kCatalog,  // see hidden_code.hpp
    kTrial,    // a Parse of what the server has: to hear whether it takes one
    kStale     // a Bind that fails, in place of an Execute: see session_described.cpp
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
    std::size_t characters = 0;  // of that text; 0: not known
    std::size_t position_in_clients_text(std::size_t position) const;
};

struct Request {
    RequestKind kind = RequestKind::kQuery;
    RequestAction action = RequestAction::kForward;
    Purpose purpose = Purpose::kNone;
    bool error = false;                 // an ErrorResponse came for it
    bool keeps_ready = false;           // its ReadyForQuery is not passed on,
    bool gives_ready = false;           // but that of this one, which stands behind it
    bool told_parameters = false;       // as NamedStatement's
    std::uint8_t copy_ends = 0;         // CopyDone, CopyFail: sent behind it, before the next
    PreparedPtr prepared;               // Parse, Bind, Close: the statement
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
    // As new. Most requests hold little: what is empty costs a look.
    void reset() {
        kind = RequestKind::kQuery;
        action = RequestAction::kForward;
        purpose = Purpose::kNone;
        copy_ends = 0;
        error = keeps_ready = gives_ready = told_parameters = false;
        prepared.reset();
        facts = {};
        forget(name);
        replaced.reset();
        sql_names.reset();
        forget(failure);
        text_id = params_hash = bytes_in = rows = 0;
        tags = {};
        tap.reset();
        sent_at = {};
        sqlstate = {};
    }

  private:
    static void forget(std::string& text) {
        constexpr std::size_t kKept = 64;
        if (text.capacity() > kKept) {
            std::string().swap(text);
        } else {
            text.clear();
        }
    }
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
    bool empty() const { return head_ == tail_; }
    std::vector<Request>::iterator begin() { return at(head_); }
    std::vector<Request>::iterator end() { return at(tail_); }
    void erase(std::vector<Request>::iterator it) {
        std::move(it + 1, end(), it);
        slots_[--tail_].reset();
    }
    std::size_t size() const { return tail_ - head_; }
    Request& front() {
        ASSERT(!empty());
        return slots_[head_];
    }
    Request& back() {
        ASSERT(!empty());
        return slots_[tail_ - 1];
    }
    // Good until the next push.
    Request& push(RequestKind kind, RequestAction action = RequestAction::kForward) {
        Request& request = take_slot();
        request.kind = kind;
        request.action = action;
        return request;
    }
    void pop() {
        ASSERT(!empty());
        slots_[head_++].reset();
        rest_if_empty();
    }
    // Takes out all before the first Sync (or all), newest first.
    std::vector<Request> fail_to_sync() {
        std::size_t end = head_;
        while (end < tail_ && slots_[end].kind != RequestKind::kSync) {
            ++end;
        }
        std::vector<Request> skipped;
        for (std::size_t i = end; i > head_; --i) {
            skipped.push_back(std::move(slots_[i - 1]));
            slots_[i - 1].reset();
        }
        head_ = end;
        rest_if_empty();
        return skipped;
    }
    void put(Request request) { take_slot() = std::move(request); }
    void clear() {
        std::vector<Request>().swap(slots_);
        head_ = tail_ = 0;
    }
    std::size_t heap_bytes() const { return slots_.capacity() * sizeof(Request); }

  private:
    // An idle client keeps room for one batch of the usual size, no more.
    static constexpr std::size_t kIdleSlots = 8;
    // A pipeline that never runs empty moves down when so many slots before it are spent.
    static constexpr std::size_t kSpentMax = 32;

    std::vector<Request>::iterator at(std::size_t index) {
        return slots_.begin() + static_cast<std::ptrdiff_t>(index);
    }
    Request& take_slot() {
        if (tail_ == slots_.size()) {
            if (head_ >= kSpentMax && head_ * 2 >= tail_) {
                std::rotate(slots_.begin(), at(head_), slots_.end());
                tail_ -= std::exchange(head_, 0);
            } else {
                slots_.emplace_back();
            }
        }
        return slots_[tail_++];
    }
    void rest_if_empty() {
        if (!empty()) {
            return;
        }
        head_ = tail_ = 0;
        if (slots_.size() > kIdleSlots) {
            std::vector<Request>().swap(slots_);
        }
    }

    // [head_, tail_) are waiting; those around are as new, for the next ones.
    std::vector<Request> slots_;
    std::size_t head_ = 0;
    std::size_t tail_ = 0;
};

}  // namespace howdah::proxy
