// The reply reader of hiredis alone: Hearth owns the sockets (EventLoop) and the framing of requests.
#pragma once
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
