#include "tests/sim/oracle.hpp"

namespace howdah::sim {

using Kind = Statement::Kind;

std::string Statement::sql() const {
    switch (kind) {
        case Kind::kToken:
            return "SELECT '" + value + "'";
        case Kind::kParameter:
            return "SELECT $1";
        case Kind::kRows:
            return "SELECT rows " + std::to_string(count);
        case Kind::kSleep:
            return "SELECT sleep " + std::to_string(count);
        case Kind::kView:
            return "SELECT view '" + value + "'";
        case Kind::kFail:
            return "SELECT fail";
        case Kind::kSet:
            return "SET " + name + " = '" + value + "'";
        case Kind::kReset:
            return "RESET " + name;
        case Kind::kShow:
            return "SHOW " + name;
        case Kind::kBegin:
            return "BEGIN";
        case Kind::kCommit:
            return "COMMIT";
        case Kind::kRollback:
            return "ROLLBACK";
        case Kind::kDiscardAll:
            return "DISCARD ALL";
        case Kind::kPrepare:
            return "PREPARE " + name + " AS SELECT '" + value + "'";
        case Kind::kExecute:
            return "EXECUTE " + name;
        case Kind::kDeallocate:
            return "DEALLOCATE " + name;
        case Kind::kCopyOut:
            return "COPY t TO STDOUT";
    }
    return {};
}

bool Statement::has_rows() const {
    return kind <= Kind::kFail || kind == Kind::kShow;
}

std::string Oracle::value_of(const std::string& name) const {
    static const std::map<std::string, std::string> kPreset = {{"application_name", ""},
                                                               {"TimeZone", "UTC"},
                                                               {"search_path", "\"$user\", public"},
                                                               {"statement_timeout", "0"}};
    const auto found = parameters_.find(name);
    return found != parameters_.end() ? found->second : kPreset.at(name);
}

void Oracle::begin() {
    if (status_ == 'I' && !implicit_) {
        implicit_ = true;
        at_begin_ = parameters_;
    }
}

void Oracle::end(bool commit) {
    if (!commit) {
        parameters_ = at_begin_;
    }
    implicit_ = false;
    status_ = 'I';
}

bool Oracle::fail(const std::string& sqlstate, Answers& answers) {
    answers.push_back("E " + sqlstate);
    status_ = status_ == 'T' ? 'E' : status_;
    skipping_ = true;
    return false;
}

// One statement's answer without its description; false when it failed.
bool Oracle::run(const Statement& statement, const std::string& parameter, Answers& answers) {
    const bool ends = statement.kind == Kind::kCommit || statement.kind == Kind::kRollback;
    if (status_ == 'E' && !ends) {
        return fail("25P02", answers);
    }
    begin();
    switch (statement.kind) {
        case Kind::kToken:
            answers.push_back("D " + statement.value);
            break;
        case Kind::kParameter:
            answers.push_back("D " + parameter);
            break;
        case Kind::kView:
            parameters_["statement_timeout"] = statement.value;
            answers.push_back("D " + statement.value);
            break;
        case Kind::kSleep:
            answers.push_back("D sleep " + std::to_string(statement.count));
            break;
        case Kind::kRows:
            for (int i = 0; i < statement.count; ++i) {
                answers.push_back("D row " + std::to_string(i));
            }
            answers.push_back("C SELECT " + std::to_string(statement.count));
            return true;
        case Kind::kShow:
            answers.push_back("D " + value_of(statement.name));
            answers.push_back("C SHOW");
            return true;
        case Kind::kFail:
            return fail("22012", answers);
        default:
            return control(statement, answers);
    }
    answers.push_back("C SELECT 1");
    return true;
}

bool Oracle::control(const Statement& statement, Answers& answers) {
    const auto done = [&](const char* tag) {
        answers.push_back(std::string("C ") + tag);
        return true;
    };
    switch (statement.kind) {
        case Kind::kSet:
            parameters_[statement.name] = statement.value;
            return done("SET");
        case Kind::kReset:
            parameters_.erase(statement.name);
            if (const auto own = base_.find(statement.name); own != base_.end()) {
                parameters_[statement.name] = own->second;
            }
            return done("RESET");
        case Kind::kBegin:
            status_ = 'T';
            implicit_ = false;
            return done("BEGIN");
        case Kind::kCommit:
        case Kind::kRollback: {
            const bool commit = statement.kind == Kind::kCommit && status_ != 'E';
            end(commit);
            return done(commit ? "COMMIT" : "ROLLBACK");
        }
        case Kind::kDiscardAll:
            parameters_ = base_;
            statements_.clear();
            return done("DISCARD ALL");
        case Kind::kPrepare:
            if (!statements_
                     .emplace(statement.name, Statement{Kind::kToken, "", statement.value, 0})
                     .second) {
                return fail("42P05", answers);
            }
            return done("PREPARE");
        case Kind::kExecute: {
            const auto found = statements_.find(statement.name);
            return found == statements_.end() ? fail("26000", answers)
                                              : run(found->second, "", answers);
        }
        case Kind::kDeallocate:
            return statements_.erase(statement.name) == 0 ? fail("26000", answers)
                                                          : done("DEALLOCATE");
        default:
            answers.insert(answers.end(), {"H", "d", "d", "d", "c"});
            return done("COPY 3");
    }
}

void Oracle::simple(const std::vector<Statement>& statements, Answers& answers) {
    statements_.erase("");
    bool good = true;
    for (const Statement& statement : statements) {
        Answers own;
        good = run(statement, "", own);
        const auto executed = statements_.find(statement.name);
        const bool described =
            statement.has_rows() || (statement.kind == Kind::kExecute &&
                                     executed != statements_.end() && executed->second.has_rows());
        if (good && described) {
            answers.push_back("T");
        }
        answers.insert(answers.end(), own.begin(), own.end());
        if (!good) {
            break;
        }
    }
    if (statements.empty()) {
        answers.push_back("I");
    }
    if (implicit_) {
        end(good);
    }
    skipping_ = false;
    answers.push_back(std::string("Z ") + status_);
}

// In a failed transaction nothing is taken but what ends it.
bool Oracle::refuses(const Statement& statement, Answers& answers) {
    if (status_ != 'E' || statement.kind == Kind::kCommit || statement.kind == Kind::kRollback) {
        return false;
    }
    fail("25P02", answers);
    return true;
}

void Oracle::parse(const std::string& name, const Statement& statement, Answers& answers) {
    if (skipping_) {
        return;
    }
    if (name.empty()) {
        statements_.erase("");
    }
    if (refuses(statement, answers)) {
        return;
    }
    if (!name.empty() && statements_.contains(name)) {
        fail("42P05", answers);
        return;
    }
    statements_[name] = statement;
    answers.push_back("1");
}

void Oracle::bind(const std::string& name, const std::string& value, Answers& answers) {
    if (skipping_) {
        return;
    }
    const auto found = statements_.find(name);
    if (found == statements_.end()) {
        fail("26000", answers);
        return;
    }
    if (refuses(found->second, answers)) {
        return;
    }
    begin();
    portal_ = found->second;
    portal_value_ = value;
    answers.push_back("2");
}

void Oracle::describe(Answers& answers) {
    if (!skipping_) {
        answers.push_back(portal_.has_rows() ? "T" : "n");
    }
}

void Oracle::describe_statement(const std::string& name, Answers& answers) {
    if (skipping_) {
        return;
    }
    const auto found = statements_.find(name);
    if (found == statements_.end()) {
        fail("26000", answers);
        return;
    }
    if (found->second.has_rows() && refuses(found->second, answers)) {
        return;
    }
    answers.push_back("t");
    answers.push_back(found->second.has_rows() ? "T" : "n");
}

void Oracle::execute(Answers& answers) {
    if (!skipping_) {
        run(portal_, portal_value_, answers);
    }
}

void Oracle::close(const std::string& name, Answers& answers) {
    if (!skipping_) {
        statements_.erase(name);
        answers.push_back("3");
    }
}

void Oracle::sync(Answers& answers) {
    if (implicit_) {
        end(!skipping_);
    }
    skipping_ = false;
    answers.push_back(std::string("Z ") + status_);
}

void Oracle::cancelled(Answers& answers) {
    statements_.erase("");
    status_ = status_ == 'I' ? 'I' : 'E';
    answers = {"E 57014", std::string("Z ") + status_};
}

}  // namespace howdah::sim
