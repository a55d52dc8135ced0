// libjpeg-turbo and libpng as plain C: bytes in, pixels out, and no error that is not returned.
//
// Every call returns 0, or -1 with a message in `error` (at least CJ_ERROR_SIZE bytes). Nothing here
// exits, aborts or writes to a stream. Pixels are rows from the top, 8 bits a channel, interleaved.

#pragma once

#include <stddef.h>
#include <stdint.h>

#define CJ_ERROR_SIZE 200

/// Reads the size of a JPEG from its header.
__attribute__((warn_unused_result))
int cj_jpeg_size(const uint8_t *data, size_t size, int32_t *width, int32_t *height, char *error);

/// Decodes a JPEG of any colour space to RGB, reduced `denominator` (1, 2, 4 or 8) times: each side
/// is divided by it and rounded up. `rgb` has room for `width * height * 3` bytes, the reduced sides.
/// Data that ends early or cannot be decoded is an error, though libjpeg itself would only warn.
__attribute__((warn_unused_result))
int cj_jpeg_decode(const uint8_t *data, size_t size, int32_t denominator, uint8_t *rgb,
                   int32_t width, int32_t height, char *error);

/// Encodes RGB as a baseline JPEG: 4:4:4 where `full_colour`, else 4:2:0. `*out` is to be released with `cj_free`.
__attribute__((warn_unused_result))
int cj_jpeg_encode(const uint8_t *rgb, int32_t width, int32_t height, int32_t quality,
                   int full_colour, uint8_t **out, size_t *out_size, char *error);

/// Reads the size of a PNG from its header.
__attribute__((warn_unused_result))
int cj_png_size(const uint8_t *data, size_t size, int32_t *width, int32_t *height, char *error);

/// Decodes a PNG of any kind to RGB (`channels` 3: alpha is dropped) or RGBA (4, not premultiplied).
__attribute__((warn_unused_result))
int cj_png_decode(const uint8_t *data, size_t size, int32_t channels, uint8_t *pixels,
                  int32_t width, int32_t height, char *error);

/// Encodes RGB (`channels` 3) or RGBA (4) as a PNG. `*out` is to be released with `cj_free`.
__attribute__((warn_unused_result))
int cj_png_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                  uint8_t **out, size_t *out_size, char *error);

void cj_free(uint8_t *bytes);
