// RunningTraffic: the statements that a running howdah has seen, for howdah lint. Blocks.
#pragma once

#include <optional>
#include <string>

#include "migrate/lint/traffic.hpp"
#include "pg/connection.hpp"

namespace howdah::cli {

class RunningTraffic {
  public:
    // All of /api/queries. database: its statements alone, where it is known by that name; "" =
    // every one's.
    static Result<RunningTraffic> over_http(std::string base, std::string token,
                                            std::string database);
    // SHOW QUERIES_FULL: the 200 statements that took longest in sum.
    static Result<RunningTraffic> from_console(pg::Connection console, std::string database);

    // The rates of now: reads again, a second after the first time.
    Result<> sample();
    const migrate::lint::Traffic& traffic() const { return traffic_; }
    // False: no statement is of `database`, and all are counted.
    bool knows_database() const { return knows_database_; }

  private:
    RunningTraffic() = default;
    Result<std::vector<migrate::lint::SeenQuery>> ask();
    Result<std::vector<migrate::lint::SeenQuery>> ask_http();
    Result<std::vector<migrate::lint::SeenQuery>> ask_console();
    Result<> start();

    std::string base_;
    std::string token_;
    std::string database_;
    std::optional<pg::Connection> console_;
    migrate::lint::Traffic traffic_{"howdah"};
    std::int64_t read_ns_ = 0;
    bool knows_database_ = true;
};

}  // namespace howdah::cli
