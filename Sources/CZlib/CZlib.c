#include "CZlib.h"

#include <limits.h>

int64_t czlib_gzip(const void *bytes, size_t count, void *out, size_t capacity, int level) {
    if (count > UINT_MAX || capacity > UINT_MAX) return -1;
    z_stream stream = {
        .next_in = (Bytef *)bytes,
        .avail_in = (uInt)count,
        .next_out = out,
        .avail_out = (uInt)capacity,
    };
    // 16 beside the window's bits asks for gzip's frame; 8 is zlib's own memory level.
    if (deflateInit2(&stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return -1;
    int result = deflate(&stream, Z_FINISH);
    int64_t size = (int64_t)stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END ? size : -1;
}

int czlib_begin_gunzip(z_stream *stream) {
    // 16 beside the window's bits asks for gzip's frame and its check sum.
    return inflateInit2(stream, 15 + 16);
}
