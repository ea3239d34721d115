#include "base/nearest.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

namespace howdah {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string nearest(std::string_view wrong, std::span<const std::string_view> names) {
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(2, wrong.size() / 3) + 1;
    std::vector<std::size_t> row;
    for (const std::string_view name : names) {
        row.resize(name.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 0; i < wrong.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i + 1;
            for (std::size_t k = 0; k < name.size(); ++k) {
                const std::size_t replace = diagonal + (lower(wrong[i]) == name[k] ? 0 : 1);
                diagonal = row[k + 1];
                row[k + 1] = std::min({replace, row[k] + 1, row[k + 1] + 1});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = name;
        }
    }
    return std::string(best);
}

std::string did_you_mean(std::string_view wrong, std::span<const std::string_view> names) {
    const std::string name = nearest(wrong, names);
    return name.empty() ? "" : "; did you mean \"" + name + "\"?";
}

}  // namespace howdah
