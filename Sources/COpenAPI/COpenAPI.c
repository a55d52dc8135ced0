#include "COpenAPI.h"

static const unsigned char text[] = {
#embed "../../openapi.yaml"
};

const unsigned char *const detnas_openapi = text;
const size_t detnas_openapi_size = sizeof text;
