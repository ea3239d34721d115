#include "migrate/lint/scratch_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "pg/connection.hpp"

namespace howdah::migrate::lint {
namespace {

namespace fs = std::filesystem;

struct Account {
    uid_t user = 0;
    gid_t group = 0;
    bool switch_to = false;
};

Account unprivileged() {
    if (geteuid() != 0) {
        return {};
    }
    for (const char* name : {"postgres", "nobody"}) {
        if (const passwd* entry = getpwnam(name)) {
            return {.user = entry->pw_uid, .group = entry->pw_gid, .switch_to = true};
        }
    }
    return {};
}

std::string find_bin(const std::string& given) {
    if (!given.empty()) {
        return given;
    }
    std::vector<std::pair<int, std::string>> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
        const fs::path bin = entry.path() / "bin";
        if (fs::exists(bin / "initdb", ignored)) {
            found.emplace_back(std::atoi(entry.path().filename().c_str()), bin.string());
        }
    }
    if (found.empty()) {
        return {};
    }
    return std::ranges::max_element(found)->second;
}

// A child with its output in `log`, as `account`, with only async-signal-safe calls before exec.
pid_t spawn(const std::vector<std::string>& command, const Account& account,
            const fs::path& folder) {
    std::vector<char*> arguments;
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    const std::string log = (folder / "log").string();
    const std::string home = folder.string();
    const pid_t child = fork();
    if (child != 0) {
        return child;
    }
    const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(in, 0) < 0) {
        _exit(126);
    }
    const bool switched =
        !account.switch_to ||
        (setgroups(0, nullptr) == 0 && setgid(account.group) == 0 && setuid(account.user) == 0);
    if (!switched || chdir(home.c_str()) != 0) {
        _exit(126);
    }
    execv(arguments[0], arguments.data());
    _exit(127);
}

int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

std::string socket_conninfo(const fs::path& folder, const std::string& database) {
    return fmt::format("host={} port=5432 user=howdah dbname='{}'", folder.string(), database);
}

Result<> wait_until_ready(const fs::path& folder, pid_t process) {
    const auto deadline = steady_now() + std::chrono::seconds(60);
    while (steady_now() < deadline) {
        if (pg::Connection::connect({.conninfo = socket_conninfo(folder, "postgres")})) {
            return {};
        }
        if (waitpid(process, nullptr, WNOHANG) == process) {
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return fail(
        ErrorCode::kUnavailable,
        fmt::format("the throw-away PostgreSQL did not start; see {}", (folder / "log").string()));
}

}  // namespace

Result<ScratchServer> ScratchServer::start(const std::string& bin_folder) {
    const fs::path bin = find_bin(bin_folder);
    std::error_code error;
    if (bin.empty() || !fs::exists(bin / "initdb", error)) {
        return fail({ErrorCode::kUnavailable, "", "no PostgreSQL server programs were found",
                     "install postgresql-15, or name a server with --database"});
    }
    std::string name = (fs::temp_directory_path() / "howdah-scratch-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        return fail(ErrorCode::kIo, "no temporary folder can be made");
    }
    const fs::path folder = name;
    const Account account = unprivileged();
    if (account.switch_to && chown(name.c_str(), account.user, account.group) != 0) {
        return fail(ErrorCode::kIo, "the temporary folder cannot be given away");
    }
    const pid_t init = spawn({(bin / "initdb").string(), "-D", (folder / "data").string(), "-U",
                              "howdah", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"},
                             account, folder);
    if (init < 0 || wait_for(init) != 0) {
        return fail(ErrorCode::kUnavailable,
                    fmt::format("initdb failed; see {}", (folder / "log").string()));
    }
    const pid_t process =
        spawn({(bin / "postgres").string(), "-D", (folder / "data").string(), "-k", folder.string(),
               "-p", "5432", "-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=UTC",
               "-c", "autovacuum=off", "-c", "wal_level=logical"},
              account, folder);
    if (process < 0) {
        return fail(ErrorCode::kUnavailable, "postgres cannot be started");
    }
    ScratchServer server(folder, process);
    TRY_VOID(wait_until_ready(folder, process));
    return server;
}

ScratchServer::ScratchServer(ScratchServer&& other) noexcept
    : folder_(std::move(other.folder_)), process_(std::exchange(other.process_, -1)) {}

ScratchServer::~ScratchServer() {
    if (process_ <= 0) {
        return;
    }
    kill(process_, SIGQUIT);  // nothing in it is worth a checkpoint
    wait_for(process_);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

std::string ScratchServer::conninfo(const std::string& database) const {
    return socket_conninfo(folder_, database);
}

}  // namespace howdah::migrate::lint
