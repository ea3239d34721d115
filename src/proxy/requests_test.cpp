#include "proxy/requests.hpp"

#include <gtest/gtest.h>

namespace howdah::proxy {
namespace {

Request& push(RequestQueue& queue, std::uint64_t number) {
    Request& request = queue.push(RequestKind::kExecute);
    request.rows = number;
    return request;
}

TEST(RequestQueue, APipelineThatNeverRunsEmptyDoesNotGrow) {
    RequestQueue queue;
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    for (; in < 10; ++in) {
        push(queue, in);
    }
    std::size_t most = 0;
    for (int i = 0; i < 100'000; ++i) {
        ASSERT_EQ(queue.front().rows, out++);
        queue.pop();
        push(queue, in++);
        most = std::max(most, queue.heap_bytes());
    }
    EXPECT_EQ(queue.size(), 10U);
    EXPECT_LE(most, 200 * sizeof(Request));
    while (!queue.empty()) {
        ASSERT_EQ(queue.front().rows, out++);
        queue.pop();
    }
    EXPECT_EQ(queue.heap_bytes(), 0U);
}

// What a slot held before is not seen by the request that uses it next.
TEST(RequestQueue, ASlotIsUsedAgainAsNew) {
    RequestQueue queue;
    Request& first = queue.push(RequestKind::kParse, RequestAction::kSwallow);
    first.purpose = Purpose::kProbe;
    first.copy_ends = 1;
    first.error = true;
    first.prepared = std::make_shared<Prepared>();
    first.name = std::string(200, 'n');
    first.failure = "no";
    first.replaced = std::make_unique<Unnamed>();
    first.sql_names = std::make_unique<SqlNames>();
    first.text_id = first.params_hash = first.bytes_in = first.rows = 7;
    first.tags = {1, 2};
    first.sent_at = net::TimePoint(net::Duration(5));
    first.sqlstate = {'2', '2', '0', '1', '2'};
    queue.pop();
    const Request& next = queue.push(RequestKind::kQuery);
    EXPECT_EQ(&first, &next);
    EXPECT_EQ(next.action, RequestAction::kForward);
    EXPECT_EQ(next.purpose, Purpose::kNone);
    EXPECT_FALSE(next.copy_ends != 0 || next.error);
    EXPECT_EQ(next.prepared, nullptr);
    EXPECT_TRUE(next.name.empty() && next.failure.empty());
    EXPECT_LE(next.name.capacity(), 64U);
    EXPECT_TRUE(next.replaced == nullptr && next.sql_names == nullptr && next.tap == nullptr);
    EXPECT_EQ(next.text_id + next.params_hash + next.bytes_in + next.rows, 0U);
    EXPECT_EQ(next.tags.tags_id + next.tags.trace_id, 0U);
    EXPECT_EQ(next.sent_at, net::TimePoint{});
    EXPECT_EQ(next.sqlstate[0], '\0');
    EXPECT_FALSE(next.facts);
}

TEST(RequestQueue, FailsToTheNextSync) {
    RequestQueue queue;
    push(queue, 1);
    push(queue, 2);
    queue.push(RequestKind::kSync);
    push(queue, 3);
    const std::vector<Request> skipped = queue.fail_to_sync();
    ASSERT_EQ(skipped.size(), 2U);
    EXPECT_EQ(skipped[0].rows, 2U);
    EXPECT_EQ(skipped[1].rows, 1U);
    EXPECT_EQ(queue.front().kind, RequestKind::kSync);
    queue.erase(queue.begin());
    EXPECT_EQ(queue.front().rows, 3U);
    EXPECT_EQ(queue.size(), 1U);
}

}  // namespace
}  // namespace howdah::proxy
