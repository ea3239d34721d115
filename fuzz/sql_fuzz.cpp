// Any bytes as a text from a client (sql_check.hpp).
#include <cstdint>

#include "sql_check.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    howdah::sql::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
