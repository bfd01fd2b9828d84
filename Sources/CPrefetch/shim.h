// Hints to the processor's cache, which Swift has no word for. A hint reads nothing: an address may be any, and what
// another thread writes there meanwhile is not looked at.
//
// To know which address to hint at, two of them read block numbers that a writer may change at that moment under a lock
// which is not taken here: whole words, on which nothing but a hint depends. ThreadSanitizer would report that, since the
// writer's side is no atomic; it is told not to look.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__clang__)
#define HEARTH_READS_A_HINT __attribute__((no_sanitize("thread"), disable_sanitizer_instrumentation))
#else
#define HEARTH_READS_A_HINT
#endif

static inline void hearth_prefetch(const void *address) { __builtin_prefetch(address); }

// Fetches the block of 64 bytes whose number stands at `number`, an entry's header, and the one behind it.
HEARTH_READS_A_HINT static inline void hearth_prefetch_entry(const uint32_t *number, const void *blocks) {
    const char *entry = (const char *)blocks + ((size_t)__atomic_load_n(number, __ATOMIC_RELAXED) << 6);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
}

// Looks into the header that `number` names (EntryHeader). Fetches the entry's next blocks, three at most, where
// the lengths at 52 and 56 say that there are any; and, to be written, the two blocks whose numbers stand at 8 and
// 12, those beside the entry in its list. Where there is no entry, nothing is fetched.
HEARTH_READS_A_HINT static inline void hearth_prefetch_rest(const uint32_t *number, const void *blocks) {
    uint32_t block = __atomic_load_n(number, __ATOMIC_RELAXED);
    if (block == 0) return;
    const char *entry = (const char *)blocks + ((size_t)block << 6);
    const uint32_t *words = (const uint32_t *)entry;
    size_t payload = (size_t)__atomic_load_n(words + 13, __ATOMIC_RELAXED)
        + __atomic_load_n(words + 14, __ATOMIC_RELAXED);
    for (size_t offset = 64; offset < payload && offset < 256; offset += 64) __builtin_prefetch(entry + 64 + offset);
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(words + 2, __ATOMIC_RELAXED) << 6), 1);
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(words + 3, __ATOMIC_RELAXED) << 6), 1);
}
