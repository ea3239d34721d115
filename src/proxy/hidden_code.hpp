// HiddenCode: what a database's catalog has that a statement's text does not tell of. A trigger, a
// view, a default or a policy may call a function that sets parameters, takes session advisory
// locks or makes temporary tables; a text that runs it looks like any INSERT or SELECT. One a
// database, for all loops.
//
// 1. The catalog is asked when the first server is logged in, and at the end of a transaction while
//    nothing is known of the schema as it is (after a client's DDL): by one session at a time, and
//    for at most one part in kShareMin of the time. And every kAgain, or less often where there are
//    many databases, for DDL that went another way.
// 2. While nothing is known anything may be hidden: the server is looked at after each transaction.
//    A database that cannot answer in kFailuresMax tries is taken to hide nothing, with a warning.
// 3. What a function may do is read in its source, as are those that it calls. Found too much:
//    a question to the server too many. Not found: what C code does, and SQL that is put together
//    from texts which stand outside the function.
// 4. What is known and of which schema is one value: of answers that come at the same time that of
//    the later schema stays.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/loop.hpp"

namespace howdah::proxy {

class HiddenCode {
  public:
    // One simple query; its names are qualified and no literal has a backslash in it, for a
    // client's parameters are in force. take_row() knows the rows.
    static std::string sql(net::Duration answer_max);

    // A question under way, and what was found so far.
    struct Question {
        std::uint64_t schema = 0;
        net::TimePoint asked_at{};
        std::uint64_t places = 0;
        std::array<std::string, 3> examples;  // for each of kWrites, kReads, kDdl
    };
    // A row that is none of sql()'s says that anything may be hidden.
    static void take_row(std::span<const std::uint8_t> row, Question& question);

    // The caller is to ask now.
    std::optional<Question> wants_to_know(net::TimePoint now);
    // It will not be answered.
    void let_others_ask() { not_before_us_ = due_us_ = 0; }
    // `database`: for the log. `databases`: how many are asked such questions.
    void answered(const Question& question, net::TimePoint now, const std::string& database,
                  std::size_t databases);
    void not_answered(const Question& question, std::string_view why, net::TimePoint now,
                      const std::string& database);

    // The effects of a transaction whose texts have `effects`, with those of what they may hide.
    std::uint32_t with_hidden(std::uint32_t effects) const;
    // Whether that is from an answer, and not for want of one.
    bool is_known() const { return is_of_now(known_.load(std::memory_order_relaxed)); }
    // Whether what is known to be hidden sets parameters whose names it computes.
    bool computes_names() const { return is_known() && (places() & kComputes) != 0; }

    // A client has changed the database's schema.
    void schema_changed() { schema_.fetch_add(1, std::memory_order_relaxed); }
    // How often one has.
    std::uint64_t schema() const { return schema_.load(std::memory_order_relaxed); }

    static constexpr net::Duration kAgain = std::chrono::seconds(60);
    // How long a server may take to answer: a session's, and while clients wait for its login.
    static constexpr net::Duration kSessionAnswerMax = std::chrono::seconds(5);
    static constexpr net::Duration kLoginAnswerMax = std::chrono::milliseconds(500);
    static constexpr net::Duration kAfterFailure = std::chrono::seconds(1);
    static constexpr net::Duration kAnswerMax = std::chrono::seconds(10);  // then another may ask
    static constexpr int kFailuresMax = 3;
    // Of the time, asking takes at most one part in this: one database after DDL; all of them
    // without.
    static constexpr int kShareMin = 10;
    static constexpr int kShareIdle = 100;

  private:
    // In what something is hidden, and what. Bits of known_.
    enum Place : std::uint64_t { kWrites = 1, kReads = 2, kDdl = 4, kComputes = 8 };
    static constexpr std::uint64_t kAnywhere = kWrites | kReads | kDdl | kComputes;
    static constexpr int kSchemaShift = 4;  // above the places: schema() when that was asked
    static constexpr std::uint64_t kNothing = ~std::uint64_t{0};

    // Those of the schema as it is.
    std::uint64_t places() const {
        const std::uint64_t known = known_.load(std::memory_order_relaxed);
        return is_of_now(known) ? known & kAnywhere : kAnywhere;
    }
    bool is_of_now(std::uint64_t known) const {
        return known != kNothing && known >> kSchemaShift == schema();
    }
    void learn(std::uint64_t schema, std::uint64_t places);
    static void log_found(const Question& question, const std::string& database);

    std::atomic<std::uint64_t> known_{kNothing};
    std::atomic<std::uint64_t> schema_{0};
    std::atomic<std::int64_t> due_us_{0};         // to ask though nothing has changed
    std::atomic<std::int64_t> not_before_us_{0};  // not to ask, whatever has changed
    std::atomic<std::uint64_t> logged_{0};        // places that the log was told of
    std::atomic<int> failures_{0};
};

}  // namespace howdah::proxy
