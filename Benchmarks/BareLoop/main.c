// The floor under every server here: a libuv loop that answers each request with the same 64 bytes.
//
// usage: bare-loop SOCKET
//
// It does what no server on libuv can do without: wait, read, write. It parses nothing (a request is an asterisk: those
// of hearth-bench and redis-benchmark have one each), looks nothing up, and holds nothing. One write per read, as a
// server that answers a pipeline at once does; what the kernel does not take is queued by libuv.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define REPLY "$64\r\nvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n"
enum { reply_size = sizeof(REPLY) - 1, request_size_min = 16, input_size = 64 << 10 };

static char input[input_size];
static char replies[(input_size / request_size_min) * (sizeof(REPLY) - 1)];

struct queued {
    uv_write_t request;
    char bytes[];
};

static void on_closed(uv_handle_t *client) { free(client); }
static void on_written(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static void on_buffer(uv_handle_t *client, size_t suggested, uv_buf_t *buffer) {
    (void)client;
    (void)suggested;
    *buffer = uv_buf_init(input, sizeof input);
}

static void on_read(uv_stream_t *client, ssize_t count, const uv_buf_t *buffer) {
    if (count < 0) {
        uv_close((uv_handle_t *)client, on_closed);
        return;
    }
    size_t requests = 0;
    const char *at = buffer->base, *end = at + count;
    while (at < end && (at = memchr(at, '*', (size_t)(end - at))) != NULL) {
        requests++;
        at++;
    }
    if (requests > sizeof replies / reply_size) requests = sizeof replies / reply_size;
    if (requests == 0) return;
    size_t size = requests * reply_size;
    uv_buf_t out = uv_buf_init(replies, (unsigned)size);
    int taken = uv_try_write(client, &out, 1);
    if (taken < 0) taken = 0;
    if ((size_t)taken == size) return;
    struct queued *rest = malloc(sizeof *rest + size - (size_t)taken);
    if (rest == NULL) abort();
    memcpy(rest->bytes, replies + taken, size - (size_t)taken);
    out = uv_buf_init(rest->bytes, (unsigned)(size - (size_t)taken));
    if (uv_write(&rest->request, client, &out, 1, on_written) != 0) free(rest);
}

static void on_connection(uv_stream_t *listener, int status) {
    if (status < 0) return;
    uv_pipe_t *client = malloc(sizeof *client);
    if (client == NULL) abort();
    uv_pipe_init(listener->loop, client, 0);
    if (uv_accept(listener, (uv_stream_t *)client) == 0) {
        uv_read_start((uv_stream_t *)client, on_buffer, on_read);
    } else {
        uv_close((uv_handle_t *)client, on_closed);
    }
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: bare-loop SOCKET\n");
        return 64;
    }
    for (size_t at = 0; at < sizeof replies; at += reply_size) memcpy(replies + at, REPLY, reply_size);
    uv_loop_t *loop = uv_default_loop();
    uv_pipe_t listener;
    uv_pipe_init(loop, &listener, 0);
    int code = uv_pipe_bind(&listener, words[1]);
    if (code == 0) code = uv_listen((uv_stream_t *)&listener, 512, on_connection);
    if (code != 0) {
        fprintf(stderr, "bare-loop: %s: %s\n", words[1], uv_strerror(code));
        return 69;
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
