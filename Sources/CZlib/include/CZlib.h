// gzip through zlib: what Swift cannot see of it (its set-up is a macro), as plain functions.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

/// Writes `count` bytes as one gzip file (RFC 1952) to `out`.
///
/// Returns its size, or -1 when that is more than `capacity` or no memory is left.
__attribute__((warn_unused_result))
int64_t czlib_gzip(const void *bytes, size_t count, void *out, size_t capacity, int level);

/// Makes `stream` ready to undo gzip: `inflate`, `inflateReset` and `inflateEnd` are zlib's own.
///
/// Returns Z_OK, or what zlib says where no memory is left.
__attribute__((warn_unused_result))
int czlib_begin_gunzip(z_stream *stream);
