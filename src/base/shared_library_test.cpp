#include "base/shared_library.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace howdah {
namespace {

TEST(SharedLibrary, FindsWhatIsThereAndSaysWhatIsNot) {
    const auto library = SharedLibrary::open("libm.so.6", "libc6");
    ASSERT_TRUE(library);
    double (*cube_root)(double) = nullptr;
    ASSERT_TRUE(library->get("cbrt", cube_root));
    EXPECT_DOUBLE_EQ(cube_root(27), 3);
    EXPECT_FALSE(library->get("no_such_function", cube_root));
    EXPECT_EQ(cube_root, nullptr);
}

TEST(SharedLibrary, AMissingOneNamesItsPackage) {
    const auto library = SharedLibrary::open("libhowdah-none.so.9", "libhowdah-none9");
    ASSERT_FALSE(library);
    EXPECT_EQ(library.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(library.error().message.find("libhowdah-none.so.9"), std::string::npos);
    EXPECT_NE(library.error().hint.find("libhowdah-none9"), std::string::npos);
}

}  // namespace
}  // namespace howdah
