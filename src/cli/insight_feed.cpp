#include "cli/insight_feed.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"
#include "cli/insight_tables.hpp"
#include "cli/plan_reader.hpp"
#include "cli/slow_log.hpp"
#include "monitor/collect.hpp"
#include "proxy/snapshot.hpp"

namespace howdah::cli {

namespace live = insight::live;
using namespace std::chrono_literals;

namespace {

constexpr auto kAskEvery = 200ms;
constexpr auto kLookEvery = 5s;

std::int64_t wall_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               howdah::wall_now().time_since_epoch())
        .count();
}

live::Names names_of(const proxy::Shared& shared) {
    return {[&shared](std::uint32_t id) { return shared.names.text(id); },
            [&shared](std::uint32_t id) { return shared.names.text(id); },
            [&shared](std::uint32_t id) { return shared.applications.text(id); },
            [&shared](std::uint32_t id) { return shared.addresses.text(id); }};
}

// The server's names of our databases, "*" for those that are not in the configuration.
std::map<std::string, std::string> server_databases(const config::Config& config) {
    std::map<std::string, std::string> names;
    for (const auto& [name, database] : config.databases) {
        names[name] = database.dbname.value_or(name);
    }
    if (config.autodb && config.autodb->dbname) {
        names["*"] = *config.autodb->dbname;
    }
    return names;
}

}  // namespace

live::Options InsightFeed::options() const {
    const config::Settings& settings = config_->settings;
    live::Options options;
    options.entries_max = static_cast<std::size_t>(std::max(16, settings.statement_shapes_max));
    options.slow_us = settings.insight ? settings.slow_query_time.count() : 0;
    options.idle_transaction_us = settings.insight_idle_transaction.count();
    options.long_transaction_us = settings.insight_long_transaction.count();
    options.ignore = settings.insight_ignore.names;
    options.server_databases = server_databases(*config_);
    return options;
}

InsightFeed::InsightFeed(proxy::Proxy& proxy)
    : proxy_(proxy),
      config_(proxy.shared().config()),
      engine_(options(), names_of(proxy.shared())),
      slow_log_(std::make_unique<SlowLog>()) {
    std::shared_ptr<Mailbox> mailbox = mailbox_;
    plan_reader_ = std::make_unique<PlanReader>(PlanReader::Takers{
        [mailbox](const live::StatementQuestion& question, live::PlanEvidence evidence) {
            const std::scoped_lock lock(mailbox->mutex);
            mailbox->plans.emplace_back(question.key, std::move(evidence));
        },
        [mailbox](const live::StatementQuestion& question, live::ReadRelations relations) {
            const std::scoped_lock lock(mailbox->mutex);
            mailbox->relations.emplace_back(question, std::move(relations));
        }});
    set_explain();
    proxy.shared().control().ask_insight = [mailbox](std::string_view what, auto take) {
        {
            const std::scoped_lock lock(mailbox->mutex);
            if (!mailbox->closed) {
                mailbox->questions.emplace_back(what, std::move(take));
                return;
            }
        }
        take(empty_table(what));
    };
}

InsightFeed::~InsightFeed() = default;

void InsightFeed::stop() {
    std::vector<Mailbox::Question> questions;
    {
        const std::scoped_lock lock(mailbox_->mutex);
        mailbox_->closed = true;
        questions.swap(mailbox_->questions);
    }
    for (const auto& [what, take] : questions) {
        take(empty_table(what));
    }
}

void InsightFeed::set_explain() {
    slow_log_->set_explain(config_->settings.slow_query_explain);
    plan_reader_->set_explain(config_->settings.slow_query_explain);
}

void InsightFeed::take_taps() {
    for (proxy::Worker* worker : proxy_.shared().workers) {
        while (const std::size_t words = worker->tap().ring().pop(words_)) {
            engine_.take_tap(std::span(words_).first(words));
        }
    }
}

// A statement's values come up before its event does: whatever this batch speaks of is there.
void InsightFeed::observe(std::span<const QueryEvent> events) {
    if (!config_->settings.insight) {
        return;
    }
    take_taps();
    engine_.observe(events);
}

void InsightFeed::read_mail() {
    std::vector<std::pair<std::uint64_t, sql::StatementRef>> statements;
    std::vector<std::pair<std::uint64_t, std::vector<sql::Tag>>> tags;
    std::vector<live::OpenTransaction> transactions;
    std::vector<std::pair<std::uint64_t, live::PlanEvidence>> plans;
    std::vector<Mailbox::Relations> relations;
    std::vector<Mailbox::Question> questions;
    {
        const std::scoped_lock lock(mailbox_->mutex);
        plans.swap(mailbox_->plans);
        relations.swap(mailbox_->relations);
        statements.swap(mailbox_->statements);
        tags.swap(mailbox_->tags);
        transactions.swap(mailbox_->transactions);
        questions.swap(mailbox_->questions);
    }
    for (auto& [key, statement] : statements) {
        engine_.learn(key, std::move(statement));
    }
    for (auto& [id, set] : tags) {
        engine_.learn_tags(id, std::move(set));
    }
    for (auto& [key, evidence] : plans) {
        engine_.learn_plan(key, std::move(evidence));
    }
    for (auto& [question, read] : relations) {
        engine_.learn_relations(question, std::move(read));
    }
    if (!transactions.empty()) {
        engine_.observe_transactions(transactions, wall_us());
    }
    for (const auto& [what, take] : questions) {
        take(insight_table(engine_, what));
    }
}

void InsightFeed::ask_statements(std::vector<std::uint64_t> keys) {
    if (keys.empty()) {
        return;
    }
    monitor::ask_every_loop<proxy::KnownStatements>(
        proxy_.shared(),
        [keys = std::move(keys)](proxy::Worker& worker) {
            return proxy::find_statements(worker, keys);
        },
        [mailbox = mailbox_](std::vector<proxy::KnownStatements> answers) {
            const std::scoped_lock lock(mailbox->mutex);
            for (proxy::KnownStatements& answer : answers) {
                std::ranges::move(answer, std::back_inserter(mailbox->statements));
            }
        });
}

void InsightFeed::ask_tags(std::vector<std::uint64_t> ids) {
    if (ids.empty()) {
        return;
    }
    monitor::ask_every_loop<proxy::KnownTags>(
        proxy_.shared(),
        [ids = std::move(ids)](proxy::Worker& worker) { return proxy::find_tags(worker, ids); },
        [mailbox = mailbox_](std::vector<proxy::KnownTags> answers) {
            const std::scoped_lock lock(mailbox->mutex);
            for (proxy::KnownTags& answer : answers) {
                std::ranges::move(answer, std::back_inserter(mailbox->tags));
            }
        });
}

void InsightFeed::ask_transactions() {
    monitor::ask_every_loop<std::vector<proxy::TransactionSnapshot>>(
        proxy_.shared(), proxy::take_transactions,
        [mailbox = mailbox_](std::vector<std::vector<proxy::TransactionSnapshot>> answers) {
            const std::scoped_lock lock(mailbox->mutex);
            mailbox->transactions.clear();
            for (const auto& answer : answers) {
                for (const proxy::TransactionSnapshot& open : answer) {
                    mailbox->transactions.push_back({open.database, open.user, open.application,
                                                     open.client, open.open_us, open.idle_us});
                }
            }
        });
}

void InsightFeed::ask_plans() {
    if (plan_reader_->may_ask()) {
        plan_reader_->ask_plans(engine_.unknown_plans(wall_us()));
        plan_reader_->ask_relations(engine_.unknown_relations(wall_us()));
    }
}

void InsightFeed::log_slow() {
    const proxy::Shared& shared = proxy_.shared();
    for (live::SlowQuery& query : engine_.take_slow()) {
        SlowLine line;
        line.database = shared.names.text(query.database_id);
        const auto database = config_->database(line.database);
        line.server_database = database && database->dbname ? *database->dbname : line.database;
        line.user = shared.names.text(query.user_id);
        line.application = shared.applications.text(query.application_id);
        line.client = shared.addresses.text(query.client_id);
        line.tags = engine_.tags_text(query.tags_id);
        line.query = std::move(query);
        slow_log_->add(std::move(line));
    }
}

void InsightFeed::tick() {
    const Clock::time_point now = steady_now();
    read_mail();
    if (now < next_ask_) {
        return;
    }
    next_ask_ = now + kAskEvery;
    if (config::ConfigPtr config = proxy_.shared().config(); config != config_) {
        config_ = std::move(config);
        engine_.configure(options());
        set_explain();
    }
    engine_.tick(wall_us());
    ask_statements(engine_.unknown_statements());
    ask_tags(engine_.unknown_tags());
    log_slow();
    if (config_->settings.insight && now >= next_look_) {
        next_look_ = now + kLookEvery;
        ask_transactions();
        ask_plans();
    }
}

}  // namespace howdah::cli
