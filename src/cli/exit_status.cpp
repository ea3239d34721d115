#include "cli/exit_status.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

namespace howdah::cli {

ExitStatus exit_status(ErrorCode code) {
    switch (code) {
        case ErrorCode::kRefused:
        case ErrorCode::kCancelled:
            return kFound;
        case ErrorCode::kInvalidInput:
        case ErrorCode::kNotFound:
            return kWrongInput;
        case ErrorCode::kProtocol:
        case ErrorCode::kIo:
        case ErrorCode::kTimeout:
        case ErrorCode::kUnavailable:
        case ErrorCode::kServer:
        case ErrorCode::kInternal:
            break;
    }
    return kCouldNotRun;
}

int report_error(std::string_view command, const Error& error) {
    fmt::print(stderr, "howdah {}: {}{}\n", command, error.message,
               error.sqlstate.empty() ? "" : " (" + error.sqlstate + ")");
    if (!error.hint.empty()) {
        fmt::print(stderr, "  {}\n", error.hint);
    }
    return exit_status(error.code);
}

std::optional<int> parse_arguments(CLI::App& app, int argc, char** argv) {
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kFine : kWrongInput;
    }
    return std::nullopt;
}

}  // namespace howdah::cli
