// Digests and identifiers that the migration tools write into their history tables. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace howdah::migrate::runner {

// Lower-case hexadecimal SHA-256 of the bytes: Drizzle's hash, Prisma's checksum.
std::string sha256_hex(std::string_view bytes);
// The same by SHA-1: graphile-migrate's hash.
std::string sha1_hex(std::string_view bytes);
// CRC-32 (IEEE 802.3) over the lines without their ends, a byte order mark dropped: Flyway's.
std::int32_t flyway_checksum(std::string_view text);
// CRC-32 (IEEE 802.3) of the bytes.
std::uint32_t crc32(std::string_view bytes);
// Random version 4 UUID: Prisma's row ids, our run ids.
std::string random_uuid();

}  // namespace howdah::migrate::runner
