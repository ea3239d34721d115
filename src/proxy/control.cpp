#include "proxy/control.hpp"

namespace howdah::proxy {

PauseMode Control::pause_mode() const {
    const std::scoped_lock lock(mutex_);
    return pause_mode_;
}

void Control::set_pause_mode(PauseMode mode) {
    const std::scoped_lock lock(mutex_);
    pause_mode_ = mode;
}

ShutdownMode Control::shutdown_mode() const {
    const std::scoped_lock lock(mutex_);
    return shutdown_mode_;
}

void Control::set_shutdown_mode(ShutdownMode mode) {
    const std::scoped_lock lock(mutex_);
    shutdown_mode_ = mode;
}

bool Control::paused(std::string_view database) const {
    const std::scoped_lock lock(mutex_);
    return pause_mode_ == PauseMode::kPause || paused_.contains(database);
}

bool Control::database_paused(std::string_view database) const {
    const std::scoped_lock lock(mutex_);
    return paused_.contains(database);
}

void Control::set_database_paused(const std::string& database, bool paused) {
    const std::scoped_lock lock(mutex_);
    if (paused) {
        paused_.insert(database);
    } else {
        paused_.erase(database);
    }
}

std::size_t Control::databases_paused() const {
    const std::scoped_lock lock(mutex_);
    return paused_.size();
}

bool Control::disabled(std::string_view database) const {
    const std::scoped_lock lock(mutex_);
    return disabled_.contains(database);
}

void Control::set_disabled(const std::string& database, bool disabled) {
    const std::scoped_lock lock(mutex_);
    if (disabled) {
        disabled_.insert(database);
    } else {
        disabled_.erase(database);
    }
}

std::vector<ListeningSocket> Control::listeners() const {
    const std::scoped_lock lock(mutex_);
    return listeners_;
}

void Control::set_listeners(std::vector<ListeningSocket> listeners) {
    const std::scoped_lock lock(mutex_);
    listeners_ = std::move(listeners);
}

void Control::hand_over() {
    const std::scoped_lock lock(mutex_);
    handed_over_ = true;
}

bool Control::handed_over() const {
    const std::scoped_lock lock(mutex_);
    return handed_over_;
}

}  // namespace howdah::proxy
