// Pin: what a session left on its server that cannot follow it to another. Found by a statement's
// effects or by a probe; cleared when a look at the server says that it is gone.
#pragma once

#include <cstdint>
#include <string>

namespace howdah::proxy {

// Why a session keeps its server between transactions. Bits.
enum Pin : std::uint32_t {
    kPinNone = 0,
    kPinTempObject = 1U << 0,
    kPinAdvisoryLock = 1U << 1,
    kPinHoldCursor = 1U << 2,
    kPinListen = 1U << 3,
    kPinPrepared = 1U << 4,          // prepared by SQL in a way that cannot be followed
    kPinSequence = 1U << 5,          // currval, lastval
    kPinUnknown = 1U << 6,           // the probe failed: nothing is known
    kPinLargeParse = 1U << 7,        // a statement too large to keep a copy of
    kPinAsked = 1U << 8,             // SET howdah.pin = 'on'
    kPinDynamicParameter = 1U << 9,  // a function sets parameters whose names it computes
};
std::string describe_pins(std::uint32_t pins);

}  // namespace howdah::proxy
