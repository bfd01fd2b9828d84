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

// Fetches the block of 64 bytes whose number stands at `number`, and the two behind it; three where it `is_long`.
HEARTH_READS_A_HINT static inline void hearth_prefetch_entry(
    const uint32_t *number, const void *blocks, int is_long) {
    const char *entry = (const char *)blocks + ((size_t)__atomic_load_n(number, __ATOMIC_RELAXED) << 6);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
    __builtin_prefetch(entry + 128);
    if (is_long) __builtin_prefetch(entry + 192);
}

// Fetches, to be written, the two blocks whose numbers stand 8 and 12 bytes into the block that `number` names: those
// beside an entry in its list (EntryHeader's `previous` and `next`). Where there is none, nothing is fetched.
HEARTH_READS_A_HINT static inline void hearth_prefetch_neighbours(const uint32_t *number, const void *blocks) {
    uint32_t block = __atomic_load_n(number, __ATOMIC_RELAXED);
    if (block == 0) return;
    const uint32_t *links = (const uint32_t *)((const char *)blocks + ((size_t)block << 6)) + 2;
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(links, __ATOMIC_RELAXED) << 6), 1);
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(links + 1, __ATOMIC_RELAXED) << 6), 1);
}
