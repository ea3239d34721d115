#include "cli/exit_status.hpp"

#include <gtest/gtest.h>

namespace howdah::cli {
namespace {

TEST(ExitStatus, OfEachKindOfError) {
    EXPECT_EQ(exit_status(ErrorCode::kRefused), 1);
    EXPECT_EQ(exit_status(ErrorCode::kCancelled), 1);
    EXPECT_EQ(exit_status(ErrorCode::kInvalidInput), 2);
    EXPECT_EQ(exit_status(ErrorCode::kNotFound), 2);
    for (const ErrorCode code :
         {ErrorCode::kProtocol, ErrorCode::kIo, ErrorCode::kTimeout, ErrorCode::kUnavailable,
          ErrorCode::kServer, ErrorCode::kInternal}) {
        EXPECT_EQ(exit_status(code), 3) << static_cast<int>(code);
    }
}

TEST(ExitStatus, AnErrorIsToldWithItsCommandStateAndHint) {
    testing::internal::CaptureStderr();
    EXPECT_EQ(report_error("lint", {ErrorCode::kServer, "42501", "not for you", "ask somebody"}),
              3);
    EXPECT_EQ(testing::internal::GetCapturedStderr(),
              "howdah lint: not for you (42501)\n  ask somebody\n");
    testing::internal::CaptureStderr();
    EXPECT_EQ(status_of("lint", Result<int>(kFound)), 1);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace howdah::cli
