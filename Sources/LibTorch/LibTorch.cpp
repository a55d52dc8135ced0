#include "CTorch.h"
#include <torch/torch.h>
extern "C" int ct_probe(void) { return at::get_num_threads(); }
