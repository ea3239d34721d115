#include "sql/statement_cache.hpp"

#include <algorithm>
#include <bit>
#include <numeric>
#include <optional>

#include "sql/facts.hpp"
#include "sql/hash.hpp"
#include "sql/redact.hpp"
#include "sql/shape.hpp"
#include "sql/text_memo.hpp"

namespace howdah::sql {
namespace {

constexpr std::size_t kShapeSlack = 64;
constexpr std::uint32_t kNone = 0xffffffffU;
constexpr std::size_t kWays = 4;

// Hash domains: a text never meets a shape.
enum Domain : std::uint8_t { kShapeDomain = 1, kOwnTextDomain = 2, kTextDomain = 3 };

std::uint8_t text_domain(TextRules rules) {
    const unsigned encoding = static_cast<unsigned>(rules.encoding);
    return static_cast<std::uint8_t>(kTextDomain + encoding * 2 +
                                     (rules.standard_conforming_strings ? 0U : 1U));
}

// What stands for every text that is too long or cannot be read.
StatementRef refused_statement() {
    return unparsed_facts({});
}

struct Found {
    StatementRef statement;
    bool of_shape = false;  // shared by all texts of the shape
    bool parsed = false;
};

// Asks libpg_query: about the shape, and where that does not do, about the text itself.
Found find_facts(std::string_view text, const Shape& shape) {
    if (shape.foldable) {
        std::optional<Facts> facts = parse_facts(shape.canonical);
        if (facts && !facts->literals_decide) {
            return {.statement = std::move(facts->statement), .of_shape = true, .parsed = true};
        }
    }
    if (text.size() > StatementCache::kParsedBytesMax) {
        return {.statement = refused_statement()};
    }
    if (std::optional<Facts> facts = parse_facts(text)) {
        return {.statement = std::move(facts->statement), .of_shape = false, .parsed = true};
    }
    return {.statement = unparsed_facts(shape.foldable ? shape.canonical : text)};
}

}  // namespace

struct StatementCache::State {
    struct Entry {
        TextHash key;
        StatementRef statement;
        std::size_t bytes = 0;
        std::uint32_t next = kNone;  // in the bucket
        std::uint32_t generation = 0;
        bool used = false;  // since the hand came by
    };
    struct TextSlot {
        TextHash key;
        std::uint32_t entry = kNone;
        std::uint32_t generation : 31 = 0;
        std::uint32_t has_comments : 1 = 0;
    };
    static constexpr std::uint32_t kGenerationMask = 0x7fffffffU;

    State(std::size_t entries_limit, std::size_t bytes_limit, std::uint64_t seed)
        : hasher(seed),
          bytes_max(bytes_limit),
          entries(std::max<std::size_t>(entries_limit, 1)),
          buckets(std::bit_ceil(entries.size()), kNone),
          texts(std::max(std::bit_ceil(entries.size() * 2), kWays)),
          buffer(StatementCache::kParsedBytesMax + kShapeSlack),
          unused(entries.size()),
          refused(refused_statement()) {
        std::iota(unused.rbegin(), unused.rend(), 0U);
    }

    std::uint32_t& bucket(const TextHash& key) {
        return buckets[key.mixed() & (buckets.size() - 1)];
    }
    std::uint32_t find(const TextHash& key);
    std::uint32_t insert(const TextHash& key, StatementRef statement);
    std::uint32_t free_entry(std::size_t bytes_needed);
    void evict(std::uint32_t index);
    TextSlot* find_text(const TextHash& key);
    void remember_text(const TextHash& key, std::uint32_t index, bool has_comments);
    const TextMemo::Known* recognise(std::string_view text, TextRules rules);

    TextHasher hasher;
    Counters counters;
    std::size_t bytes_max;
    std::vector<Entry> entries;
    std::vector<std::uint32_t> buckets;
    std::vector<TextSlot> texts;
    std::vector<char> buffer;
    std::vector<std::uint32_t> unused;  // entries; reserved for all of them
    std::size_t hand = 0;
    std::size_t victim_way = 0;
    TextMemo memo;
    // What answered last is asked first: where texts differ in their literals, a look into the
    // table of texts fetches memory that nobody has touched for long (0.2 us, more than all of the
    // rest).
    bool memo_first = false;
    Literals literals;  // of the text looked up last
    StatementRef refused;
    StatementRef last;  // keeps what was handed out alive when it was not kept here
};

std::uint32_t StatementCache::State::find(const TextHash& key) {
    for (std::uint32_t index = bucket(key); index != kNone; index = entries[index].next) {
        if (entries[index].key == key) {
            entries[index].used = true;
            return index;
        }
    }
    return kNone;
}

void StatementCache::State::evict(std::uint32_t index) {
    Entry& entry = entries[index];
    std::uint32_t* link = &bucket(entry.key);
    while (*link != index) {
        link = &entries[*link].next;
    }
    *link = entry.next;
    counters.bytes -= entry.bytes;
    --counters.entries;
    ++counters.evictions;
    entry.statement = {};
    entry.generation = (entry.generation + 1) & kGenerationMask;
    unused.push_back(index);
}

// An empty entry, with room for the bytes; kNone when they exceed the whole limit.
std::uint32_t StatementCache::State::free_entry(std::size_t bytes_needed) {
    if (bytes_needed > bytes_max) {
        return kNone;
    }
    // Each round of the hand clears every mark, so this ends.
    while (unused.empty() || counters.bytes + bytes_needed > bytes_max) {
        Entry& entry = entries[hand];
        if (entry.statement && !entry.used) {
            evict(static_cast<std::uint32_t>(hand));
        }
        entry.used = false;
        hand = hand + 1 == entries.size() ? 0 : hand + 1;
    }
    const std::uint32_t index = unused.back();
    unused.pop_back();
    return index;
}

std::uint32_t StatementCache::State::insert(const TextHash& key, StatementRef statement) {
    const std::size_t bytes = statement->bytes();
    const std::uint32_t index = free_entry(bytes);
    if (index == kNone) {
        return kNone;
    }
    Entry& entry = entries[index];
    entry.key = key;
    entry.statement = std::move(statement);
    entry.bytes = bytes;
    entry.used = false;  // seen once is not used: it goes before what came back
    entry.next = bucket(key);
    bucket(key) = index;
    counters.bytes += bytes;
    ++counters.entries;
    return index;
}

StatementCache::State::TextSlot* StatementCache::State::find_text(const TextHash& key) {
    TextSlot* const set = &texts[(key.mixed() * kWays) & (texts.size() - 1)];
    for (TextSlot* slot = set; slot < set + kWays; ++slot) {
        if (slot->key == key && slot->entry != kNone &&
            entries[slot->entry].generation == slot->generation) {
            return slot;
        }
    }
    return nullptr;
}

void StatementCache::State::remember_text(const TextHash& key, std::uint32_t index,
                                          bool has_comments) {
    TextSlot* const set = &texts[(key.mixed() * kWays) & (texts.size() - 1)];
    TextSlot* chosen = set + victim_way++ % kWays;
    for (TextSlot* slot = set; slot < set + kWays; ++slot) {
        if (slot->entry == kNone || entries[slot->entry].generation != slot->generation) {
            chosen = slot;
        }
    }
    chosen->key = key;
    chosen->entry = index;
    chosen->generation = entries[index].generation & kGenerationMask;
    chosen->has_comments = has_comments ? 1U : 0U;
}

// Null: no memo of this text. Else `literals` are those of the text.
const TextMemo::Known* StatementCache::State::recognise(std::string_view text, TextRules rules) {
    if (!is_readable(text, rules)) {
        return nullptr;
    }
    const TextMemo::Known* known = memo.find(text, literals);
    return known != nullptr && entries[known->entry].generation == known->generation ? known
                                                                                     : nullptr;
}

StatementCache::StatementCache(std::size_t entries_max, std::size_t bytes_max, std::uint64_t seed)
    : state_(std::make_unique<State>(entries_max, bytes_max, seed)) {}

StatementCache::~StatementCache() = default;

const StatementCache::Counters& StatementCache::counters() const {
    return state_->counters;
}

StatementCache::Lookup StatementCache::lookup(std::string_view text, TextRules rules) {
    State& state = *state_;
    if (text.size() > kTextBytesMax) {
        ++state.counters.refused;
        return {.statement = state.refused.get(), .has_comments = true};
    }
    const TextHash text_key = state.hasher.hash(text, text_domain(rules));
    const std::uint64_t text_id = text_key.mixed();
    const TextMemo::Known* known = state.memo_first ? state.recognise(text, rules) : nullptr;
    if (known == nullptr) {
        if (State::TextSlot* slot = state.find_text(text_key)) {
            ++state.counters.text_hits;
            state.memo_first = state.memo_first && text.size() <= TextMemo::kPrefix;  // BEGIN
            State::Entry& entry = state.entries[slot->entry];
            entry.used = true;
            return {entry.statement.get(), text_id, slot->has_comments != 0};
        }
        if (!is_readable(text, rules)) {
            ++state.counters.refused;
            return {state.refused.get(), text_id, true};
        }
        known = state.memo_first ? nullptr : state.recognise(text, rules);
    }
    if (known != nullptr) {
        ++state.counters.shape_hits;
        state.memo_first = true;
        State::Entry& entry = state.entries[known->entry];
        entry.used = true;
        return {entry.statement.get(), text_id, known->has_comments, &state.literals};
    }
    const Shape shape = shape_of(text, state.buffer, &state.literals);
    const Literals* const literals = shape.foldable ? &state.literals : nullptr;
    const TextHash shape_key = shape.foldable ? state.hasher.hash(shape.canonical, kShapeDomain)
                                              : state.hasher.hash(text, kOwnTextDomain);
    std::uint32_t index = state.find(shape_key);
    TextHash own_key = shape_key;
    if (index == kNone && shape.foldable) {
        own_key = state.hasher.hash(text, kOwnTextDomain);
        index = state.find(own_key);
    }
    if (index != kNone) {
        ++state.counters.shape_hits;
        state.remember_text(text_key, index, shape.has_comments);
        if (shape.foldable && own_key == shape_key) {  // the facts are those of the shape
            state.memo.remember(text, state.literals,
                                {.entry = index,
                                 .generation = state.entries[index].generation,
                                 .has_comments = shape.has_comments});
        }
        return {state.entries[index].statement.get(), text_id, shape.has_comments, literals};
    }
    Found found = find_facts(text, shape);
    ++state.counters.parses;
    state.counters.unparsed += found.parsed ? 0 : 1;
    state.last = found.statement;
    index = state.insert(found.of_shape ? shape_key : own_key, std::move(found.statement));
    if (index != kNone) {
        state.remember_text(text_key, index, shape.has_comments);
    }
    return {state.last.get(), text_id, shape.has_comments, literals};
}

StatementRef analyze(std::string_view text, TextRules rules) {
    if (text.size() > StatementCache::kTextBytesMax || !is_readable(text, rules)) {
        return refused_statement();
    }
    std::vector<char> buffer(StatementCache::kParsedBytesMax + kShapeSlack);
    return find_facts(text, shape_of(text, buffer)).statement;
}

}  // namespace howdah::sql
