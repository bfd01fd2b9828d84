// Hints to the processor's cache, which Swift has no word for. A hint reads nothing: an address may be any, and what
// another thread writes there meanwhile is not looked at.
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline void hearth_prefetch(const void *address) { __builtin_prefetch(address); }

// Fetches the block of 64 bytes whose number stands at `number`, and the two behind it. The number is read while others
// may write it, as one whole word; a wrong one fetches what nobody needs, and nothing else.
static inline void hearth_prefetch_entry(const uint32_t *number, const void *blocks) {
    const char *entry = (const char *)blocks + ((size_t)__atomic_load_n(number, __ATOMIC_RELAXED) << 6);
    __builtin_prefetch(entry);
    __builtin_prefetch(entry + 64);
    __builtin_prefetch(entry + 128);
}

// Fetches, to be written, the two blocks whose numbers stand 8 and 12 bytes into the block that `number` names: those
// beside an entry in its list (EntryHeader's `previous` and `next`). Block 0 is outside of the blocks, and there is memory.
static inline void hearth_prefetch_neighbours(const uint32_t *number, const void *blocks) {
    uint32_t block = __atomic_load_n(number, __ATOMIC_RELAXED);
    if (block == 0) return;
    const uint32_t *links = (const uint32_t *)((const char *)blocks + ((size_t)block << 6)) + 2;
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(links, __ATOMIC_RELAXED) << 6), 1);
    __builtin_prefetch((const char *)blocks + ((size_t)__atomic_load_n(links + 1, __ATOMIC_RELAXED) << 6), 1);
}
