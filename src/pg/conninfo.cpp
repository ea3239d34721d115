#include "pg/conninfo.hpp"

#include <memory>
#include <string_view>

#include "pg/libpq.hpp"

namespace howdah::pg {
namespace {

std::string quoted_value(std::string_view value) {
    std::string out = "'";
    for (const char c : value) {
        if (c == '\'' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + "'";
}

}  // namespace

Result<std::string> with_database(const std::string& conninfo, const std::string& database) {
    const bool bare = conninfo.find('=') == std::string::npos &&
                      !conninfo.starts_with("postgres://") &&
                      !conninfo.starts_with("postgresql://");
    std::string out;
    if (!bare) {
        TRY_VOID(load_libpq());
        char* message = nullptr;
        const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> options(
            libpq().PQconninfoParse(conninfo.c_str(), &message), libpq().PQconninfoFree);
        const std::unique_ptr<char, void (*)(void*)> owner(message, libpq().PQfreemem);
        if (options == nullptr) {
            return fail(ErrorCode::kInvalidInput, message != nullptr ? message : "bad conninfo");
        }
        for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
            const std::string_view keyword = option->keyword;
            if (option->val != nullptr && keyword != "dbname") {
                out.append(keyword).append("=").append(quoted_value(option->val)).append(" ");
            }
        }
    }
    return out + "dbname=" + quoted_value(database);
}

}  // namespace howdah::pg
