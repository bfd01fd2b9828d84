// What the counting library writes into its file, which whoever measures reads meanwhile.
#pragma once
#include <stdint.h>

// Totals since the process began, of all its threads; eight numbers of 64 bits, in this order.
struct hearth_counts {
    uint64_t allocations;  // malloc, calloc, realloc, posix_memalign, aligned_alloc
    uint64_t locks;        // pthread_mutex_lock
    uint64_t reads;        // read, readv, recv, recvmsg
    uint64_t writes;       // write, writev, send, sendmsg
    uint64_t waits;        // epoll_wait, epoll_pwait
    uint64_t disk;         // pread, pwrite, fdatasync, fsync
    uint64_t reserved[2];
};
