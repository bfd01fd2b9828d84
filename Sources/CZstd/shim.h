// zstd for whole values in memory; its constants and errors as functions that Swift can call.
#pragma once
#include <stddef.h>
#include <zstd.h>

// Bytes written, or 0 where `capacity` was not enough or zstd failed: then nothing of `target` counts.
static inline size_t hearth_zstd_compress(
    ZSTD_CCtx *context, void *target, size_t capacity, const void *source, size_t count, int level) {
    size_t result = ZSTD_compressCCtx(context, target, capacity, source, count, level);
    return ZSTD_isError(result) ? 0 : result;
}

// Whether `source` is one frame, whole, whose content is `capacity` bytes long; they are in `target` then.
static inline int hearth_zstd_expand(void *target, size_t capacity, const void *source, size_t count) {
    if (ZSTD_getFrameContentSize(source, count) != capacity) return 0;
    size_t result = ZSTD_decompress(target, capacity, source, count);
    return !ZSTD_isError(result) && result == capacity;
}
