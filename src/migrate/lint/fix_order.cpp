#include "migrate/lint/fix_order.hpp"

namespace howdah::migrate::lint {

std::uint32_t Deferred::on(const std::string& table) const {
    const auto found = tables_.find(table);
    return found == tables_.end() ? 0U : found->second;
}

std::uint32_t Deferred::on_all(const Action& action) const {
    std::uint32_t all = on(action.table) | on(action.other);
    for (const TableEffect& effect : action.effects) {
        all |= on(effect.table);
    }
    return all;
}

bool Deferred::comes_before(const Action& action) const {
    if (tables_.empty()) {
        return false;
    }
    if (action.nested) {
        return true;  // a block may look at anything
    }
    const std::uint32_t all = on_all(action);
    constexpr std::uint32_t kKeys = kIndexLater | kKeyLater;
    switch (action.kind) {
        case ActionKind::kExecuteUnknown:
            return true;
        case ActionKind::kSet:
        case ActionKind::kComment:
        case ActionKind::kAnalyze:
        case ActionKind::kPolicy:
        case ActionKind::kValidate:
            return false;
        case ActionKind::kUpdate:  // as late as what it may rely on
        case ActionKind::kDelete:
            return (all & kKeyLater) != 0;
        case ActionKind::kCreateTable:  // a foreign key needs the other table's key
            return (all & kKeys) != 0;
        case ActionKind::kAddColumn:
            return action.has(kInlineForeign) && (all & kKeys) != 0;
        case ActionKind::kAddConstraint:
            return (all & kRowsLater) != 0 || (action.constraint == ConstraintKind::kForeign &&
                                               (on(action.other) & kKeys) != 0);
        case ActionKind::kSetDefault:
        case ActionKind::kSetNotNull:
        case ActionKind::kCreateIndex:
        case ActionKind::kCreateView:
            return (all & kRowsLater) != 0;
        default:
            return all != 0;
    }
}

bool adds_key(const Action& action, const Schema& schema) {
    const Table* table = schema.find(action.table);
    const bool key = action.kind == ActionKind::kAddConstraint &&
                     (action.constraint == ConstraintKind::kPrimary ||
                      action.constraint == ConstraintKind::kUnique);
    return key && action.works() && (table == nullptr || table->kind != TableKind::kPartitioned);
}

bool drops_key(const Action& action, const Schema& schema) {
    if (action.kind != ActionKind::kDropConstraint) {
        return false;
    }
    const Table* table = schema.find(action.table);
    const TableConstraint* dropped = table == nullptr ? nullptr : table->constraint(action.name);
    return dropped == nullptr || dropped->kind == ConstraintKind::kPrimary ||
           dropped->kind == ConstraintKind::kUnique;
}

}  // namespace howdah::migrate::lint
