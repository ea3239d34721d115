// LiveStats: what a database really counted, found again for a query that is judged.
//
// By libpg_query's fingerprint for SQL; for ORM calls by shape: kind, table and the columns of the
// conditions, which is all that a call and its statement have in common. Where Prisma tags its
// statements with model and action, by these and the shape, or by these alone where the call's
// conditions are out of sight.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "insight/dump.hpp"
#include "insight/verdict.hpp"

namespace howdah::insight {

class LiveStats {
  public:
    // days: how long the counting went on.
    LiveStats(std::span<const DumpStatement> statements, double days);
    LiveStats() = default;

    bool empty() const { return by_fingerprint_.empty(); }
    std::optional<Live> of_fingerprint(std::uint64_t fingerprint) const;
    std::optional<Live> of_shape(const std::string& shape) const;
    // call: "User.findMany"; shape: "" when it is not known, then all of the call's statements that
    // begin like `kind_and_table` ("select users ") count.
    std::optional<Live> of_call(const std::string& call, const std::string& shape,
                                std::string_view kind_and_table) const;

  private:
    struct Counted {
        double calls = 0;
        double total_ms = 0;
    };
    std::optional<Live> live_of(const Counted& counted) const;

    double days_ = 1;
    std::map<std::uint64_t, Counted> by_fingerprint_;
    std::map<std::string, Counted, std::less<>> by_shape_;
    std::map<std::string, std::map<std::string, Counted>, std::less<>> by_call_;  // call, shape
};

// "select orders customer_id,status"; columns are sorted and each named once.
std::string shape_key(std::string_view kind, std::string_view table,
                      std::vector<std::string> columns);

}  // namespace howdah::insight
