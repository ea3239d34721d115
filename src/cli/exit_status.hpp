// How a subcommand ends. One rule for all of them, in one place:
//
//   0  fine
//   1  findings, failed checks, or refused: the work was judged or tried, and the answer is no
//   2  wrong usage or input: the command line, a file, a setting, a connection string
//   3  could not run: no connection, an error from the database, a full disk, a port in use
//
// A shell script and CI decide on these: 1 is about the project, 2 about the call, 3 about the
// place.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.hpp"

namespace CLI {
class App;
}

namespace howdah::cli {

enum ExitStatus : int { kFine = 0, kFound = 1, kWrongInput = 2, kCouldNotRun = 3 };

[[nodiscard]] ExitStatus exit_status(ErrorCode code);

// Prints "howdah COMMAND: message" with its hint on standard error; exit_status() of its code.
int report_error(std::string_view command, const Error& error);
[[nodiscard]] inline int status_of(std::string_view command, const Result<int>& done) {
    return done ? *done : report_error(command, done.error());
}

// Fills what `app` declares. A status: the program ends with it (--help, or a mistake, explained).
[[nodiscard]] std::optional<int> parse_arguments(CLI::App& app, int argc, char** argv);

}  // namespace howdah::cli
