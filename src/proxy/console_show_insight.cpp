// SHOW of live insight: made by the control plane, which answers when it next looks.

#include "proxy/console_show.hpp"

namespace howdah::proxy {
namespace {

net::Task<Table> ask(Worker& home, std::string_view what) {
    std::optional<Table> answer;
    net::Event came(home.loop());
    const auto& ask_insight = home.shared().control().ask_insight;
    if (ask_insight == nullptr) {
        co_return Table{{"insight", kText}};
    }
    // The callers' frame lives until the answer has come, and it always comes (control.hpp).
    ask_insight(what, [&home, &answer, &came](Table table) {
        home.loop().post([&answer, &came, table = std::move(table)]() mutable {
            answer = std::move(table);
            came.notify();
        });
    });
    while (!answer) {
        co_await came.wait();
    }
    co_return std::move(*answer);
}

}  // namespace

net::Task<Table> show_queries(Worker& home) {
    return ask(home, "queries");
}

net::Task<Table> show_findings(Worker& home) {
    return ask(home, "findings");
}

net::Task<Table> show_queries_full(Worker& home) {
    return ask(home, "queries_full");
}

net::Task<Table> show_findings_full(Worker& home) {
    return ask(home, "findings_full");
}

}  // namespace howdah::proxy
