// Routines: what DO blocks and called functions run. Inside module migrate.
//
// A PL/pgSQL body is cut into its SQL statements by its tokens (the tree that libpg_query gives for
// bodies has line numbers only, and refuses whole bodies for one unknown type). Every branch counts
// as taken. Text put together at run time is followed when its literal is complete, and reported as
// kExecuteUnknown when it is not.
#pragma once

#include "migrate/interpreter.hpp"

namespace howdah::migrate {

class Routines {
  public:
    explicit Routines(Interpreter& interpreter) : interpreter_(interpreter) {}

    // DO and CALL.
    void run(const sql::Node& node);
    // Functions of this history that the statement calls.
    void run_called(const sql::Node& node);

  private:
    // `offset`: where the body stands in the file; `exact` false: only the statement's place is
    // known.
    void run_body(std::string_view body, std::string_view language, std::size_t offset, bool exact);
    void run_piece(std::string_view body, std::size_t begin, std::size_t end);
    void run_execute(std::string_view body, std::size_t begin, std::size_t end);
    bool run_text(std::string_view text, std::size_t begin, std::size_t end);
    void unknown(std::size_t begin, std::size_t end);

    Interpreter& interpreter_;
    std::size_t offset_ = 0;
    bool exact_ = false;
};

}  // namespace howdah::migrate
