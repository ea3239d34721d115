// Runs a fuzz target over every file of a corpus folder, and over every prefix of the small ones
// unless HOWDAH_REPLAY_WHOLE.
// Exit status 1 when the folder is missing or empty: a replay of nothing must not pass.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kPrefixBytesMax = HOWDAH_REPLAY_WHOLE ? 0 : 512;

void run_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    const auto run = [&](std::size_t size) {
        // A copy of the exact size, so that asan sees a read past the end.
        const std::vector<std::uint8_t> input(bytes.begin(),
                                              bytes.begin() + static_cast<std::ptrdiff_t>(size));
        LLVMFuzzerTestOneInput(input.data(), input.size());
    };
    run(bytes.size());
    for (std::size_t size = 0; bytes.size() <= kPrefixBytesMax && size < bytes.size(); ++size) {
        run(size);
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(argv[i], error)) {
            run_file(entry.path());
            ++files;
        }
        if (error) {
            std::fprintf(stderr, "%s: %s\n", argv[i], error.message().c_str());
            return 1;
        }
    }
    std::printf("%zu corpus files\n", files);
    return files == 0 ? 1 : 0;
}
