// JPEG through libjpeg-turbo's libjpeg API, which (other than TurboJPEG) says which warning it gave.

#include "CJPEG.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/// A progressive file may have any number of scans, each as dear as a picture; real ones have ten.
#define MAX_SCANS 200

struct trap {
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    char *message;
};

static void leave(j_common_ptr info) {
    struct trap *trap = (struct trap *)info->err;
    char text[JMSG_LENGTH_MAX];
    trap->manager.format_message(info, text);
    snprintf(trap->message, CJ_ERROR_SIZE, "%s", text);
    longjmp(trap->escape, 1);
}

/// libjpeg paints the rest grey and warns; a picture that is partly missing is an error here.
static void judge(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
        leave(info);
        break;
    default:  // stray bytes, odd versions: the picture is whole
        info->err->num_warnings++;
    }
}

static void stay_silent(j_common_ptr info) { (void)info; }

static void count_scans(j_common_ptr info) {
    if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        struct trap *trap = (struct trap *)info->err;
        snprintf(trap->message, CJ_ERROR_SIZE, "has more than %d scans", MAX_SCANS);
        longjmp(trap->escape, 1);
    }
}

static struct jpeg_error_mgr *set(struct trap *trap, char *error) {
    trap->message = error;
    error[0] = 0;
    jpeg_std_error(&trap->manager);
    trap->manager.error_exit = leave;
    trap->manager.emit_message = judge;
    trap->manager.output_message = stay_silent;
    return &trap->manager;
}

int cj_jpeg_size(const uint8_t *data, size_t size, int32_t *width, int32_t *height, char *error) {
    struct jpeg_decompress_struct info;
    struct trap trap;
    memset(&info, 0, sizeof info);
    info.err = set(&trap, error);
    if (setjmp(trap.escape)) {
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, data, size);
    (void)jpeg_read_header(&info, TRUE);
    *width = (int32_t)info.image_width;
    *height = (int32_t)info.image_height;
    jpeg_destroy_decompress(&info);
    return 0;
}

/// `(255 - ink) * (255 - black) / 255`; files with an Adobe marker store `255 - ink`.
static void cmyk_to_rgb(const uint8_t *row, uint8_t *rgb, int32_t width, int inverted) {
    uint8_t flip = inverted ? 0 : 255;
    for (int32_t x = 0; x < width; x++) {
        int black = row[4 * x + 3] ^ flip;
        for (int c = 0; c < 3; c++) {
            rgb[3 * x + c] = (uint8_t)(((row[4 * x + c] ^ flip) * black + 127) / 255);
        }
    }
}

int cj_jpeg_decode(const uint8_t *data, size_t size, int32_t denominator, uint8_t *rgb,
                   int32_t width, int32_t height, char *error) {
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    struct trap trap;
    memset(&info, 0, sizeof info);
    memset(&progress, 0, sizeof progress);
    info.err = set(&trap, error);
    if (setjmp(trap.escape)) {
        jpeg_destroy_decompress(&info);
        return -1;
    }
    jpeg_create_decompress(&info);
    progress.progress_monitor = count_scans;
    info.progress = &progress;
    jpeg_mem_src(&info, data, size);
    (void)jpeg_read_header(&info, TRUE);
    info.scale_num = 1;
    info.scale_denom = (unsigned)denominator;
    int cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
    info.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    (void)jpeg_start_decompress(&info);
    if (info.output_width != (JDIMENSION)width || info.output_height != (JDIMENSION)height ||
        info.output_components != (cmyk ? 4 : 3)) {
        snprintf(error, CJ_ERROR_SIZE, "has an inconsistent size");
        jpeg_destroy_decompress(&info);
        return -1;
    }
    JSAMPARRAY inks = NULL;
    if (cmyk) {
        inks = (*info.mem->alloc_sarray)((j_common_ptr)&info, JPOOL_IMAGE, (JDIMENSION)width * 4, 1);
    }
    while (info.output_scanline < info.output_height) {
        uint8_t *row = rgb + (size_t)info.output_scanline * (size_t)width * 3;
        if (cmyk) {
            (void)jpeg_read_scanlines(&info, inks, 1);
            cmyk_to_rgb(inks[0], row, width, info.saw_Adobe_marker);
        } else {
            (void)jpeg_read_scanlines(&info, &row, 1);
        }
    }
    jpeg_destroy_decompress(&info);
    return 0;
}

int cj_jpeg_encode(const uint8_t *rgb, int32_t width, int32_t height, int32_t quality,
                   int full_colour, uint8_t **out, size_t *out_size, char *error) {
    struct jpeg_compress_struct info;
    struct trap trap;
    // Not local: libjpeg keeps the address of both, and changes them before an error may come.
    struct {
        unsigned char *bytes;
        unsigned long size;
    } *target = calloc(1, sizeof *target);
    if (target == NULL) {
        snprintf(error, CJ_ERROR_SIZE, "out of memory");
        return -1;
    }
    memset(&info, 0, sizeof info);
    info.err = set(&trap, error);
    if (setjmp(trap.escape)) {
        jpeg_destroy_compress(&info);
        free(target->bytes);
        free(target);
        return -1;
    }
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &target->bytes, &target->size);
    info.image_width = (JDIMENSION)width;
    info.image_height = (JDIMENSION)height;
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    info.optimize_coding = TRUE;
    if (full_colour) {
        info.comp_info[0].h_samp_factor = 1;
        info.comp_info[0].v_samp_factor = 1;
    }
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row = (JSAMPROW)(rgb + (size_t)info.next_scanline * (size_t)width * 3);
        (void)jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    *out = target->bytes;
    *out_size = target->size;
    free(target);
    return 0;
}

void cj_free(uint8_t *bytes) { free(bytes); }
