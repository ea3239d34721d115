#include "insight/dump.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <charconv>
#include <iterator>
#include <map>

#include "sql/statement_cache.hpp"

namespace howdah::insight {
namespace {

namespace json = boost::json;

struct CsvField {
    std::string text = {};
    std::uint32_t line = 1;  // where its text begins
};

// One record of a CSV text (RFC 4180, quotes doubled, newlines inside quotes).
class CsvReader {
  public:
    explicit CsvReader(std::string_view text) : text_(text) {}

    bool next(std::vector<CsvField>& record) {
        record.clear();
        if (at_ >= text_.size()) {
            return false;
        }
        for (;;) {
            record.push_back(field());
            if (at_ >= text_.size()) {
                return true;
            }
            const char c = text_[at_++];
            if (c == '\n') {
                ++line_;
                return true;
            }
        }
    }

  private:
    CsvField field() {
        CsvField field{.line = line_};
        if (at_ < text_.size() && text_[at_] == '"') {
            for (++at_; at_ < text_.size(); ++at_) {
                if (text_[at_] == '"') {
                    if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') {
                        ++at_;
                        break;
                    }
                    ++at_;
                }
                line_ += text_[at_] == '\n' ? 1 : 0;
                field.text += text_[at_];
            }
        }
        while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n') {
            if (text_[at_] != '\r') {
                field.text += text_[at_];
            }
            ++at_;
        }
        return field;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
};

double number_of(std::string_view text) {
    double value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

double number_of(const json::object& object, std::string_view key) {
    const json::value* value = object.if_contains(key);
    if (value == nullptr) {
        return 0;
    }
    if (value->is_string()) {
        return number_of(std::string_view(value->as_string()));
    }
    return value->is_number() ? value->to_number<double>() : 0;
}

// Adds up statements that differ in literals only.
class Collector {
  public:
    void add(DumpStatement statement) {
        if (statement.sql.find_first_not_of(" \t\r\n;") == std::string::npos) {
            return;
        }
        const std::uint64_t fingerprint = sql::analyze(statement.sql)->fingerprint;
        const auto [known, is_new] = index_.try_emplace(fingerprint, statements_.size());
        if (is_new) {
            statements_.push_back(std::move(statement));
            return;
        }
        statements_[known->second].calls += statement.calls;
        statements_[known->second].total_ms += statement.total_ms;
        std::ranges::move(statement.callers,
                          std::back_inserter(statements_[known->second].callers));
    }
    std::vector<DumpStatement> take() { return std::move(statements_); }

  private:
    std::map<std::uint64_t, std::size_t> index_;
    std::vector<DumpStatement> statements_;
};

std::uint32_t line_at(std::string_view text, std::size_t offset) {
    return 1 + static_cast<std::uint32_t>(std::ranges::count(text.substr(0, offset), '\n'));
}

// tags: [{ "name": "prismaQuery=User.findMany route=/users", "calls": 3, "ms": 1.5 }]
void add_callers(const json::object& object, DumpStatement& statement) {
    constexpr std::string_view kKey = "prismaQuery=";
    const json::value* tags = object.if_contains("tags");
    if (tags == nullptr || !tags->is_array()) {
        return;
    }
    for (const json::value& each : tags->get_array()) {
        const json::value* name =
            each.is_object() ? each.get_object().if_contains("name") : nullptr;
        const std::string_view text =
            name != nullptr && name->is_string() ? std::string_view(name->get_string()) : "";
        const std::size_t at = text.find(kKey);
        if (at == std::string_view::npos) {
            continue;
        }
        const std::string_view call = text.substr(at + kKey.size());
        CallerShare share{.call = std::string(call.substr(0, call.find_first_of(" ,")))};
        share.calls = number_of(each.get_object(), "calls");
        share.total_ms = number_of(each.get_object(), "ms");
        statement.callers.push_back(std::move(share));
    }
}

void add_object(const json::object& object, std::uint32_t line, Collector& collector) {
    const json::value* query = object.if_contains("query");
    if (query == nullptr) {
        query = object.if_contains("text");  // howdah.queries/1
        const json::value* cut = object.if_contains("text_cut");
        query = cut != nullptr && cut->is_bool() && cut->as_bool() ? nullptr : query;
    }
    if (query == nullptr || !query->is_string()) {
        return;
    }
    DumpStatement statement{.sql = std::string(query->as_string()), .line = line, .one_line = true};
    statement.calls = number_of(object, "calls");
    statement.total_ms = number_of(object, "total_exec_time") + number_of(object, "total_time") +
                         number_of(object, "server_ms");
    add_callers(object, statement);
    collector.add(std::move(statement));
}

void read_json_statements(std::string_view text, Collector& collector) {
    boost::system::error_code error;
    const json::value whole = json::parse(text, error);
    const json::value* list = whole.is_object() ? whole.as_object().if_contains("queries") : &whole;
    if (!error && list != nullptr && list->is_array()) {
        for (const json::value& each : list->as_array()) {
            if (each.is_object()) {
                add_object(each.as_object(), 1, collector);
            }
        }
        return;
    }
    std::uint32_t line = 0;  // one object a line
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        ++line;
        const json::value each = json::parse(text.substr(at, end - at), error);
        if (!error && each.is_object()) {
            add_object(each.as_object(), line, collector);
        }
        at = end + 1;
    }
}

void read_csv_statements(std::string_view text, Collector& collector) {
    CsvReader reader(text);
    std::vector<CsvField> record;
    std::map<std::string, std::size_t, std::less<>> columns;
    if (!reader.next(record)) {
        return;
    }
    for (std::size_t i = 0; i < record.size(); ++i) {
        columns.emplace(record[i].text, i);
    }
    const auto query = columns.find("query");
    if (query == columns.end()) {
        return;
    }
    const auto cell = [&](std::string_view name) -> std::string_view {
        const auto found = columns.find(name);
        return found == columns.end() || found->second >= record.size()
                   ? std::string_view()
                   : std::string_view(record[found->second].text);
    };
    while (reader.next(record)) {
        if (query->second >= record.size()) {
            continue;
        }
        DumpStatement statement{.sql = record[query->second].text,
                                .line = record[query->second].line};
        statement.calls = number_of(cell("calls"));
        statement.total_ms = number_of(cell("total_exec_time")) + number_of(cell("total_time"));
        collector.add(std::move(statement));
    }
}

// "duration: 12.3 ms  execute x: select ..." -> SQL and milliseconds; false for other messages.
bool read_message(std::string_view message, DumpStatement& statement) {
    statement.calls = 1;
    if (message.starts_with("duration: ")) {
        message.remove_prefix(10);
        statement.total_ms = number_of(message);
        const std::size_t unit = message.find(" ms");
        message.remove_prefix(unit == std::string_view::npos ? message.size() : unit + 3);
        message.remove_prefix(std::min(message.find_first_not_of(' '), message.size()));
    }
    const bool plain = message.starts_with("statement: ");
    const bool named = message.starts_with("execute ");
    const std::size_t colon = message.find(": ");
    if ((!plain && !named) || colon == std::string_view::npos) {
        return false;
    }
    statement.sql = message.substr(colon + 2);
    return true;
}

void read_text_log(std::string_view text, Collector& collector) {
    constexpr std::string_view kMark = "LOG:  ";
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        const std::size_t mark = line.find(kMark);
        std::size_t next = end + 1;
        if (mark != std::string_view::npos) {
            std::string message(line.substr(mark + kMark.size()));
            while (next < text.size() && text[next] == '\t') {  // continued
                const std::size_t more = std::min(text.find('\n', next), text.size());
                message += "\n";
                message += text.substr(next + 1, more - next - 1);
                next = more + 1;
            }
            DumpStatement statement{.line = line_at(text, at)};
            if (read_message(message, statement)) {
                collector.add(std::move(statement));
            }
        }
        at = next;
    }
}

// csvlog: the message is the 14th column (PostgreSQL manual 20.8.4).
void read_csv_log(std::string_view text, Collector& collector) {
    constexpr std::size_t kMessage = 13;
    CsvReader reader(text);
    for (std::vector<CsvField> record; reader.next(record);) {
        DumpStatement statement{.line = record.front().line};
        if (record.size() > kMessage && read_message(record[kMessage].text, statement)) {
            collector.add(std::move(statement));
        }
    }
}

void read_json_log(std::string_view text, Collector& collector) {
    std::uint32_t line = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        boost::system::error_code error;
        const json::value each = json::parse(text.substr(at, end - at), error);
        ++line;
        if (!error && each.is_object()) {
            const json::value* message = each.as_object().if_contains("message");
            DumpStatement statement{.line = line, .one_line = true};
            if (message != nullptr && message->is_string() &&
                read_message(std::string_view(message->as_string()), statement)) {
                collector.add(std::move(statement));
            }
        }
        at = end + 1;
    }
}

char first_byte(std::string_view text) {
    const std::size_t at = text.find_first_not_of(" \t\r\n");
    return at == std::string_view::npos ? '\0' : text[at];
}

}  // namespace

std::vector<DumpStatement> read_statements_dump(std::string_view text) {
    Collector collector;
    const char first = first_byte(text);
    if (first == '[' || first == '{') {
        read_json_statements(text, collector);
    } else {
        read_csv_statements(text, collector);
    }
    return collector.take();
}

std::vector<DumpStatement> read_log(std::string_view text) {
    Collector collector;
    if (first_byte(text) == '{') {
        read_json_log(text, collector);
    } else if (text.substr(0, text.find('\n')).find("LOG:  ") == std::string_view::npos &&
               std::ranges::count(text.substr(0, text.find('\n')), ',') >= 13) {
        read_csv_log(text, collector);
    } else {
        read_text_log(text, collector);
    }
    return collector.take();
}

}  // namespace howdah::insight
