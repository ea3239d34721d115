// Project: a folder of migrations as the tool that owns it sees it, in the order it would run them.
//
// 1. Nothing is judged here: names, order, texts and hashes only. What has run is HostTable's.
// 2. Hashes are over the file's bytes as they are on disk, as each tool computes them.
// Formats: drizzle-orm/src/migrator.ts (0.x and 1.0), prisma packages/migrate listMigrations.ts,
// and the documentation of dbmate, golang-migrate, goose and Flyway.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace howdah::migrate::runner {

enum class HostTool : std::uint8_t {
    kDrizzle0,
    kDrizzle1,
    kPrisma,
    kPlain,
    kDbmate,
    kGolangMigrate,
    kGoose,
    kFlyway,
};

// "drizzle", "drizzle-1", "prisma", "plain", "dbmate", "golang-migrate", "goose", "flyway".
std::string_view tool_name(HostTool tool);
Result<HostTool> tool_from_name(std::string_view name);

// One direction of a migration: what is sent to the server, and where it stands.
struct ScriptText {
    std::filesystem::path file;  // empty: there is none
    std::string sql;             // only this direction's part of the file
    std::size_t first_line = 1;  // of `sql` in the file
    bool in_transaction = true;  // false: the file asks for none
    bool exists() const { return !file.empty(); }
};

struct Script {
    std::string name;          // what the tool calls it: tag, folder, file
    std::string version;       // what its table holds, where that is not the name
    std::string hash;          // as the tool's table holds it; ours where the tool has none
    std::int64_t when_ms = 0;  // Drizzle's journal
    ScriptText up;
    ScriptText down;
    std::string whole;  // the file's bytes
};

struct Project {
    HostTool tool = HostTool::kPlain;
    std::filesystem::path folder;
    std::vector<Script> scripts;  // in run order

    const Script* find(std::string_view name) const;
};

// Finds the migrations at or below `path` (a migrations folder, or a project that holds one in a
// usual place) and reads them. kNotFound says what was looked for; kInvalidInput names file and
// line.
Result<Project> read_project(const std::filesystem::path& path);
// The same where the tool is given, not found out.
Result<Project> read_project_as(const std::filesystem::path& folder, HostTool tool);

// JavaScript's localeCompare on the characters that occur in migration names.
bool locale_less(std::string_view left, std::string_view right);
// Milliseconds since 1970 of "YYYYMMDDHHMMSS..."; -1 when those are no 14 digits.
std::int64_t millis_of_digits(std::string_view name);
// A whole file; kInvalidInput with its name when it cannot be read.
Result<std::string> read_file(const std::filesystem::path& path);

}  // namespace howdah::migrate::runner
