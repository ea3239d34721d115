#include "proxy/requests.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

TEST(RequestQueue, APipelineThatNeverRunsDryHoldsWhatIsUnderWay) {
    RequestQueue requests;
    for (int i = 0; i < 10; ++i) {
        requests.push(RequestKind::kSync).text_id = static_cast<std::uint64_t>(i);
    }
    std::uint64_t next = 10;
    for (int i = 0; i < 100'000; ++i) {
        requests.push(RequestKind::kSync).text_id = next++;
        ASSERT_EQ(requests.front().text_id, static_cast<std::uint64_t>(i));
        requests.pop();
        ASSERT_EQ(requests.size(), 10U);
        ASSERT_EQ(requests.back().text_id, next - 1);
    }
    EXPECT_LT(requests.heap_bytes(), 1024 * sizeof(Request));
}

}  // namespace
}  // namespace howdah::proxy
