// Where a call stands: in which loops, in a transaction, in which function. Inside module insight.
#pragma once

#include <vector>

#include "insight/module.hpp"

namespace howdah::insight {

struct Loop {
    NodeId node = kNoNode;      // statement, or the callback's function
    NodeId iterable = kNoNode;  // what is iterated over, where there is such a thing
    bool concurrent = false;    // all turns at once: Promise.all(xs.map(...)), forEach(async ...)
    bool collection = false;    // over the elements of something; else for (;;), while
    bool literal = false;       // over a literal list of at most kLiteralMax elements
};
inline constexpr std::size_t kLiteralMax = 10;

struct CodeContext {
    std::vector<Loop> loops = {};  // innermost first
    NodeId transaction = kNoNode;  // the callback of an interactive transaction
    NodeId function = kNoNode;     // the function that holds it, callbacks passed through
};

CodeContext context_of(const Module& module, NodeId node);

// The turn depends on another turn's result or waits: paging, polling, retrying.
bool is_paced(const Module& module, const Loop& loop);

// Whether the loop is left right behind `node`, so that it runs once however many turns there are:
// if (x.bad) { await log(x); return; }. Behind a callback, which a return ends, never.
bool leaves_loop(const Module& module, NodeId node, const Loop& loop);

// In a catch inside the loop: for the turns that fail alone.
bool in_catch(const Module& module, NodeId node, const Loop& loop);
// The loop itself stands in a catch: one by one where all at once failed.
bool is_fallback(const Module& module, const Loop& loop);

}  // namespace howdah::insight
