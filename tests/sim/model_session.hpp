// One backend of the model server; private to it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/model_server.hpp"

namespace howdah::sim {

// Builds one backend message.
class Message {
  public:
    explicit Message(char type) : bytes_(1, type) { bytes_.append(4, '\0'); }
    Message& int16(int value);
    Message& int32(std::int64_t value);
    Message& text(std::string_view value);     // with its NUL
    Message& counted(std::string_view value);  // with its length before it
    Message& raw(std::string_view value);
    // With the length filled in.
    std::string take();

  private:
    std::string bytes_;
};

// Reads the fields of a frontend message; a short one turns bad and stays so.
class Fields {
  public:
    explicit Fields(std::string_view body) : rest_(body) {}
    std::uint32_t int32();
    std::uint32_t int16();
    std::string text();
    std::optional<std::string> counted();  // nothing: NULL
    std::string bytes(std::size_t count);
    char byte();
    bool bad() const { return bad_; }

  private:
    std::string_view rest_;
    bool bad_ = false;
};

struct SqlError {
    std::string state;
    std::string message;
};

class ModelSession {
  public:
    ModelSession(ModelServer& server, net::Stream& stream);
    ~ModelSession();
    net::Task<void> run();
    void cancel();
    void terminate();

  private:
    friend class ModelServer;
    struct Frame {
        char type = 0;
        std::string body;
    };
    struct Portal {
        std::string sql;
        std::vector<std::optional<std::string>> parameters;
        std::size_t rows_sent = 0;
    };
    enum class Status : char { kIdle = 'I', kInTransaction = 'T', kFailed = 'E' };
    using Rows = std::vector<std::string>;
    // What a statement came to: rows of values, or just a tag.
    struct Answer {
        std::string tag;
        bool has_rows = false;
        bool is_show = false;
        Rows rows;
        std::vector<Rows> table = {};  // rows of several columns, for howdah's own questions
    };

    // Start-up
    net::Task<bool> start_up();
    net::Task<bool> log_in(const std::string& body);
    // Messages
    net::Task<std::optional<Frame>> read_frame();
    net::Task<std::optional<std::string>> read_startup();
    net::Task<bool> wait_for(std::size_t bytes);
    net::Task<bool> handle(Frame frame);
    net::Task<void> simple_query(std::string text);
    net::Task<void> execute(std::string body);
    void parse(const std::string& body);
    void bind(const std::string& body);
    void describe(const std::string& body);
    void close(const std::string& body);
    void sync();
    // Statements
    net::Task<std::optional<Answer>> carry_out(std::string sql, const Portal* portal);
    std::optional<Answer> decide(const std::string& sql, const Portal* portal);
    std::optional<Answer> select(const std::string& rest, const Portal* portal);
    std::optional<Answer> transaction(const std::string& verb);
    std::optional<Answer> setting(const std::string& verb, const std::string& rest);
    std::optional<Answer> named(const std::string& verb, const std::string& rest);
    net::Task<bool> sleep(net::Duration duration);
    net::Task<bool> copy_in(std::string table);
    void copy_out();
    void set(const std::string& name, const std::string& value, bool local);
    void begin();
    void end_transaction(bool commit);
    std::string state() const;
    std::string value_of(const std::string& name) const;
    // Answers
    void send(Message message) { stream_.write(message.take()); }
    void error(const SqlError& problem);
    void fatal(const SqlError& problem);
    void ready();
    void row_description(const std::string& sql);
    bool returns_rows(const std::string& sql) const;
    // In a failed transaction: says so, unless this would end it.
    bool refuses(const std::string& sql);
    Answer probe(const std::string& sql) const;
    Answer hidden_code();
    std::optional<Answer> set_configs(std::string calls);
    void send_table_row(const Rows& row);
    void send_row(const std::string& value, bool is_show);
    void violation(const std::string& what);

    ModelServer& server_;
    net::Stream& stream_;
    net::Event event_;
    std::uint32_t pid_;
    std::uint32_t key_;
    std::string user_;
    std::string database_;
    std::map<std::string, std::string> parameters_;
    std::map<std::string, std::string> at_begin_;  // what a rollback brings back
    // What SET LOCAL gives way to; null: the preset.
    std::map<std::string, std::optional<std::string>> after_local_;
    std::map<std::string, std::string> statements_;
    std::map<std::string, Portal> portals_;
    Status status_ = Status::kIdle;
    bool implicit_ = false;  // a transaction that Sync or the end of the query ends
    bool skipping_ = false;  // after an error, until Sync
    bool running_ = false;   // a statement that a cancel may stop
    bool cancelled_ = false;
    bool terminated_ = false;
    bool closing_ = false;
    bool registered_ = false;
    std::uint64_t transactions_ = 0;
    std::uint64_t statements_in_it_ = 0;
    std::optional<SqlError> problem_;  // of the statement being carried out
    std::map<std::string, std::uint64_t> copied_;
};

}  // namespace howdah::sim
