// XXH3 compiled inline into its one caller (Primitives): the hash of a key is on the path of every request.
#pragma once
#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hearth_xxh3(const void *bytes, size_t count, uint64_t seed) {
    return (uint64_t)XXH3_64bits_withSeed(bytes, count, seed);
}
