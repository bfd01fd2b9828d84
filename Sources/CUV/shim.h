// libuv, and what Swift can't say of it: casts between its handle types and fields behind unions.
#pragma once
#include <uv.h>

static inline uv_handle_t *hearth_uv_handle(void *handle) { return (uv_handle_t *)handle; }
static inline uv_stream_t *hearth_uv_stream(void *handle) { return (uv_stream_t *)handle; }
static inline int hearth_uv_pending_fd(const uv_stream_t *stream) {
    uv_os_fd_t fd = -1;
    return uv_fileno((const uv_handle_t *)stream, &fd) == 0 ? (int)fd : -1;
}

// uv_loop_configure is variadic, which Swift can't call.
static inline int hearth_uv_measure_idle(uv_loop_t *loop) { return uv_loop_configure(loop, UV_METRICS_IDLE_TIME); }

#if defined(__linux__)
#include <pthread.h>
#include <string.h>
extern int pthread_setname_np(pthread_t, const char *);
// Names the calling thread (15 characters at most), for ps and debuggers, and lets it end without being joined.
static inline void hearth_name_thread(const char *name) {
    pthread_detach(pthread_self());
    char cut[16];
    strncpy(cut, name, sizeof(cut) - 1);
    cut[sizeof(cut) - 1] = '\0';
    pthread_setname_np(pthread_self(), cut);
}
#else
#include <pthread.h>
static inline void hearth_name_thread(const char *name) {
    pthread_detach(pthread_self());
    pthread_setname_np(name);
}
#endif

#if defined(__GLIBC__)
#include <malloc.h>
static inline void hearth_bound_heap(void) {
    mallopt(M_ARENA_MAX, 2);
    mallopt(M_MMAP_THRESHOLD, 64 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
}
#else
static inline void hearth_bound_heap(void) {}
#endif
