// The reply reader of hiredis alone: Hearth owns the sockets (EventLoop) and the framing of requests.
#pragma once
#include <hiredis/hiredis.h>
#include <hiredis/read.h>

// Whether nothing of the next reply has been read yet. Where a reader was asked for a reply and had no byte of one, it
// has begun with a task of no type.
static inline int hearth_reader_is_between_replies(const redisReader *reader) {
    if (reader->ridx != 0) return reader->ridx == -1;
#if HIREDIS_MAJOR >= 1
    return reader->task[0]->type == -1;
#else
    return reader->rstack[0].type == -1;
#endif
}
