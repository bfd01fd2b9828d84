// Counts what a process asks of the C library, without slowing it down: preloaded (LD_PRELOAD), it stands before malloc,
// mutexes and the calls into the kernel that a server makes for a request, and passes each on.
//
// The totals lie in the file that COUNTS_FILE names, mapped, so that they are read while the process runs at full load. A
// relaxed atomic addition for each call is all that it costs. Linux with glibc.
#define _GNU_SOURCE
#include "counts.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct hearth_counts unnamed;
static struct hearth_counts *counts = &unnamed;

#define COUNT(what) __atomic_fetch_add(&counts->what, 1, __ATOMIC_RELAXED)

__attribute__((constructor)) static void open_file(void) {
    const char *path = getenv("COUNTS_FILE");
    if (path == NULL) return;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    if (ftruncate(file, sizeof(struct hearth_counts)) == 0) {
        void *place = mmap(NULL, sizeof(struct hearth_counts), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (place != MAP_FAILED) counts = place;
    }
    close(file);
}

// glibc's own names of what it exports: looking them up with dlsym would allocate, and so come here.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

void *malloc(size_t size) {
    COUNT(allocations);
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    COUNT(allocations);
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size) {
    COUNT(allocations);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    COUNT(allocations);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **place, size_t alignment, size_t size) {
    COUNT(allocations);
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *place = memory;
    return 0;
}

// The next definition of a function, found once; two threads that find it at once find the same.
#define NEXT(name)                                                                                   \
    static __typeof__(&name) next;                                                                   \
    __typeof__(&name) found = __atomic_load_n(&next, __ATOMIC_RELAXED);                              \
    if (found == NULL) __atomic_store_n(&next, found = (__typeof__(&name))dlsym(RTLD_NEXT, #name), __ATOMIC_RELAXED)

#define PASS(kind, result, name, parameters, arguments) \
    result name parameters {                            \
        COUNT(kind);                                    \
        NEXT(name);                                     \
        return found arguments;                         \
    }

PASS(locks, int, pthread_mutex_lock, (pthread_mutex_t * mutex), (mutex))
PASS(reads, ssize_t, read, (int file, void *to, size_t count), (file, to, count))
PASS(reads, ssize_t, readv, (int file, const struct iovec *to, int count), (file, to, count))
PASS(reads, ssize_t, recv, (int file, void *to, size_t count, int flags), (file, to, count, flags))
PASS(reads, ssize_t, recvmsg, (int file, struct msghdr *message, int flags), (file, message, flags))
PASS(writes, ssize_t, write, (int file, const void *from, size_t count), (file, from, count))
PASS(writes, ssize_t, writev, (int file, const struct iovec *from, int count), (file, from, count))
PASS(writes, ssize_t, send, (int file, const void *from, size_t count, int flags), (file, from, count, flags))
PASS(writes, ssize_t, sendmsg, (int file, const struct msghdr *message, int flags), (file, message, flags))
PASS(waits, int, epoll_wait, (int file, struct epoll_event *events, int count, int timeout), (file, events, count, timeout))
PASS(waits, int, epoll_pwait,
     (int file, struct epoll_event *events, int count, int timeout, const sigset_t *mask),
     (file, events, count, timeout, mask))
PASS(disk, ssize_t, pread, (int file, void *to, size_t count, off_t offset), (file, to, count, offset))
PASS(disk, ssize_t, pwrite, (int file, const void *from, size_t count, off_t offset), (file, from, count, offset))
PASS(disk, int, fdatasync, (int file), (file))
PASS(disk, int, fsync, (int file), (file))
