// libuv, and what Swift can't say of it: casts between its handle types and fields behind unions.
#pragma once
#include <uv.h>

static inline uv_handle_t *hearth_uv_handle(void *handle) { return (uv_handle_t *)handle; }
static inline uv_stream_t *hearth_uv_stream(void *handle) { return (uv_stream_t *)handle; }
static inline int hearth_uv_pending_fd(const uv_stream_t *stream) {
    uv_os_fd_t fd = -1;
    return uv_fileno((const uv_handle_t *)stream, &fd) == 0 ? (int)fd : -1;
}
