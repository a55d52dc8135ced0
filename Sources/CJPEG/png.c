// PNG through libpng, from and to memory.

#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct source {
    const uint8_t *data;
    size_t left;
};

static void fail(png_structp png, png_const_charp message) {
    snprintf((char *)png_get_error_ptr(png), CJ_ERROR_SIZE, "%s", message);
    png_longjmp(png, 1);
}

static void stay_silent(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void take(png_structp png, png_bytep bytes, size_t count) {
    struct source *source = png_get_io_ptr(png);
    if (count > source->left) png_error(png, "ends too early");
    memcpy(bytes, source->data, count);
    source->data += count;
    source->left -= count;
}

int cj_png_size(const uint8_t *data, size_t size, int32_t *width, int32_t *height, char *error) {
    struct source source = {data, size};
    png_infop info = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, fail, stay_silent);
    if (png != NULL) info = png_create_info_struct(png);
    if (info == NULL) {
        png_destroy_read_struct(&png, NULL, NULL);
        snprintf(error, CJ_ERROR_SIZE, "out of memory");
        return -1;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        return -1;
    }
    png_set_read_fn(png, &source, take);
    png_read_info(png, info);
    *width = (int32_t)png_get_image_width(png, info);
    *height = (int32_t)png_get_image_height(png, info);
    png_destroy_read_struct(&png, &info, NULL);
    return 0;
}

int cj_png_decode(const uint8_t *data, size_t size, int32_t channels, uint8_t *pixels,
                  int32_t width, int32_t height, char *error) {
    struct source source = {data, size};
    png_bytep *rows = malloc((size_t)height * sizeof *rows);
    png_infop info = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, error, fail, stay_silent);
    if (png != NULL) info = png_create_info_struct(png);
    if (info == NULL || rows == NULL) {
        png_destroy_read_struct(&png, &info, NULL);
        free(rows);
        snprintf(error, CJ_ERROR_SIZE, "out of memory");
        return -1;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_read_struct(&png, &info, NULL);
        free(rows);
        return -1;
    }
    png_set_read_fn(png, &source, take);
    png_read_info(png, info);
    png_set_expand(png);
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    if (channels == 4) {
        png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    } else {
        png_set_strip_alpha(png);
    }
    (void)png_set_interlace_handling(png);
    png_read_update_info(png, info);
    size_t stride = (size_t)width * (size_t)channels;
    if (png_get_image_width(png, info) != (png_uint_32)width ||
        png_get_image_height(png, info) != (png_uint_32)height ||
        png_get_rowbytes(png, info) != stride) {
        png_error(png, "has an inconsistent size");
    }
    for (int32_t y = 0; y < height; y++) rows[y] = pixels + (size_t)y * stride;
    png_read_image(png, rows);
    png_read_end(png, NULL);
    png_destroy_read_struct(&png, &info, NULL);
    free(rows);
    return 0;
}

struct sink {
    uint8_t *bytes;
    size_t size, room;
};

static void put(png_structp png, png_bytep bytes, size_t count) {
    struct sink *sink = png_get_io_ptr(png);
    if (sink->size + count > sink->room) {
        size_t room = 2 * (sink->size + count);
        uint8_t *larger = realloc(sink->bytes, room);
        if (larger == NULL) png_error(png, "out of memory");
        sink->bytes = larger;
        sink->room = room;
    }
    memcpy(sink->bytes + sink->size, bytes, count);
    sink->size += count;
}

static void flush(png_structp png) { (void)png; }

int cj_png_encode(const uint8_t *pixels, int32_t width, int32_t height, int32_t channels,
                  uint8_t **out, size_t *out_size, char *error) {
    struct sink *sink = calloc(1, sizeof *sink);
    png_infop info = NULL;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, error, fail, stay_silent);
    if (png != NULL) info = png_create_info_struct(png);
    if (info == NULL || sink == NULL) {
        png_destroy_write_struct(&png, &info);
        free(sink);
        snprintf(error, CJ_ERROR_SIZE, "out of memory");
        return -1;
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        free(sink->bytes);
        free(sink);
        return -1;
    }
    png_set_write_fn(png, sink, put, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8,
                 channels == 4 ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int32_t y = 0; y < height; y++) {
        png_write_row(png, pixels + (size_t)y * (size_t)width * (size_t)channels);
    }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    *out = sink->bytes;
    *out_size = sink->size;
    free(sink);
    return 0;
}
