// The text of `openapi.yaml`, carried by the program itself.

#pragma once

#include <stddef.h>

extern const unsigned char *const detnas_openapi;
extern const size_t detnas_openapi_size;
