// Oracle: what one client must hear, had it PostgreSQL for itself. Knows the statements of the
// model server and one session's state; shares no code with it.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace howdah::sim {

struct Statement {
    enum class Kind {
        kToken,      // SELECT 'value'
        kParameter,  // SELECT $1
        kRows,       // SELECT rows N
        kSleep,      // SELECT sleep N
        kView,       // SELECT view 'value': it sets statement_timeout
        kFail,       // SELECT fail
        kSet,        // SET name = 'value'
        kReset,      // RESET name
        kShow,       // SHOW name
        kBegin,
        kCommit,
        kRollback,
        kDiscardAll,
        kPrepare,     // PREPARE name AS SELECT 'value'
        kExecute,     // EXECUTE name
        kDeallocate,  // DEALLOCATE name
        kCopyOut,     // COPY t TO STDOUT
    };
    Kind kind = Kind::kToken;
    std::string name = {};
    std::string value = {};
    int count = 0;

    std::string sql() const;
    bool has_rows() const;
};

// Messages in short, one string each: "T", "D value", "C tag", "E sqlstate", "Z status", else the
// type letter. ParameterStatus and notices are not among them: they may come at any time.
using Answers = std::vector<std::string>;

class Oracle {
  public:
    explicit Oracle(std::map<std::string, std::string> base) : base_(base), parameters_(base) {}

    void simple(const std::vector<Statement>& statements, Answers& answers);
    void parse(const std::string& name, const Statement& statement, Answers& answers);
    void bind(const std::string& name, const std::string& value, Answers& answers);
    void describe(Answers& answers);
    void describe_statement(const std::string& name, Answers& answers);
    void execute(Answers& answers);
    void close(const std::string& name, Answers& answers);
    void sync(Answers& answers);
    // The request was cancelled before it did anything.
    void cancelled(Answers& answers);

    char status() const { return status_; }
    bool knows(const std::string& name) const { return statements_.contains(name); }
    std::string value_of(const std::string& name) const;

  private:
    bool run(const Statement& statement, const std::string& parameter, Answers& answers);
    bool control(const Statement& statement, Answers& answers);
    bool refuses(const Statement& statement, Answers& answers);
    bool fail(const std::string& sqlstate, Answers& answers);
    void begin();
    void end(bool commit);

    std::map<std::string, std::string> base_;  // from the start-up packet
    std::map<std::string, std::string> parameters_;
    std::map<std::string, std::string> at_begin_;
    std::map<std::string, Statement> statements_;
    Statement portal_;
    std::string portal_value_;
    char status_ = 'I';
    bool implicit_ = false;
    bool skipping_ = false;
};

}  // namespace howdah::sim
