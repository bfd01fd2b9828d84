#pragma once
#include <microhttpd.h>

// Swift can't call C functions with variable arguments: these are the calls that the admin server makes of them.

/// What the admin server asks of libmicrohttpd; every field must be set.
struct hearth_mhd_options {
    int listen_socket;
    unsigned int connections_max;
    unsigned int idle_seconds_max;
    size_t connection_bytes_max;
    MHD_AccessHandlerCallback on_request;
    MHD_RequestCompletedCallback on_completed;
    MHD_NotifyConnectionCallback on_connection;
    void *context;
};

/// A server on an already listening socket that runs only within MHD_run_wait; NULL where it can't be made.
static inline struct MHD_Daemon *hearth_mhd_start(const struct hearth_mhd_options *o) {
    return MHD_start_daemon(
        MHD_USE_AUTO | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, o->on_request, o->context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket)o->listen_socket,
        MHD_OPTION_CONNECTION_LIMIT, o->connections_max,
        MHD_OPTION_CONNECTION_TIMEOUT, o->idle_seconds_max,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, o->connection_bytes_max,
        MHD_OPTION_NOTIFY_COMPLETED, o->on_completed, o->context,
        MHD_OPTION_NOTIFY_CONNECTION, o->on_connection, o->context,
        MHD_OPTION_END);
}

/// The descriptor of a connection's socket, or -1.
static inline int hearth_mhd_socket(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/// The peer's address, or NULL.
static inline const struct sockaddr *hearth_mhd_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

// The enumerations of newer headers are closed ones, whose constants Swift renames: these names stay.
static const enum MHD_Result hearth_mhd_yes = MHD_YES;
static const enum MHD_Result hearth_mhd_no = MHD_NO;
static const enum MHD_ValueKind hearth_mhd_header = MHD_HEADER_KIND;
static const enum MHD_ResponseMemoryMode hearth_mhd_copied = MHD_RESPMEM_MUST_COPY;
static const enum MHD_ConnectionNotificationCode hearth_mhd_connection_started = MHD_CONNECTION_NOTIFY_STARTED;

/// An answer without a known end, whose bytes `reader` is asked for.
static inline struct MHD_Response *hearth_mhd_stream(
    MHD_ContentReaderCallback reader, void *context, MHD_ContentReaderFreeCallback free) {
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 << 10, reader, context, free);
}
static const ssize_t hearth_mhd_stream_end = MHD_CONTENT_READER_END_OF_STREAM;

#if defined(__linux__)
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Gives the calling thread a niceness and the longest time slice that there is, 100 ms; 0, or -1 with errno.
///
/// The C library has a function for it since 2.41 only. The structure is the kernel's struct sched_attr.
static inline int hearth_give_way(int niceness) {
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } wish = {.size = sizeof(wish), .nice = niceness, .runtime = 100000000};
    return (int)syscall(SYS_sched_setattr, 0, &wish, 0);
}
#endif
