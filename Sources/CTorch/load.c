// Loads the library over libtorch at run time, and forwards each call to it.
//
// The program itself is not linked against libtorch, so it starts without it and can say what is
// missing; and a server that never computes stays small.
#define _GNU_SOURCE
#include "CTorch.h"
#include "CTorchNames.h"

#include <dlfcn.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noreturn)) static void not_loaded(void) {
  fputs("detnas: a tensor function was called before libtorch was loaded\n", stderr);
  abort();
}

// One slot and one jump for each name. Arguments stay where they are, whatever they are.
#if defined(__x86_64__)
#define JUMP(name) "jmp *slot_" #name "(%rip)\n"
#elif defined(__aarch64__)
#define JUMP(name) \
  "adrp x16, slot_" #name "\n ldr x16, [x16, :lo12:slot_" #name "]\n br x16\n"
#else
#error "CTorch knows x86_64 and aarch64"
#endif
#define SLOT(name) \
  __attribute__((used, visibility("hidden"))) void *slot_##name = (void *)not_loaded; \
  __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n" JUMP(name) \
          ".size " #name ", . - " #name "\n");
CT_NAMES(SLOT)

static char *failure(const char *what, const char *detail) {
  char *message = NULL;
  return asprintf(&message, "%s: %s", what, detail ? detail : "unknown") < 0 ? strdup(what) : message;
}

ct_error ct_load(const char *library, const char *libtorch) {
  // Each step asks for the blocks that the last one freed; giving them back to the system and faulting
  // them in again costs about a tenth of a small network's training time.
  mallopt(M_MMAP_THRESHOLD, 256 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (libtorch) {
    const char *parts[] = {"libc10.so", "libtorch_cpu.so"};
    for (int i = 0; i < 2; i++) {
      char path[4096];
      snprintf(path, sizeof path, "%s/lib/%s", libtorch, parts[i]);
      if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) return failure("libtorch", dlerror());
    }
  }
  void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
  if (!handle) return failure("libtorch", dlerror());
  // The CUDA half, where there is one, registers its kernels by being loaded; it lies beside libc10.
  char path[4096];
  struct link_map *map = NULL;
  void *c10 = dlopen("libc10.so", RTLD_NOW | RTLD_NOLOAD);
  if (c10 && dlinfo(c10, RTLD_DI_LINKMAP, &map) == 0 && map->l_name[0] == '/') {
    snprintf(path, sizeof path, "%.*slibtorch_cuda.so",
             (int)(strrchr(map->l_name, '/') + 1 - map->l_name), map->l_name);
    (void)dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  }
  // All or none: a library that lacks a name must not leave a slot empty.
#define FIND(name) \
  if (!dlsym(handle, #name)) return failure("libtorch", dlerror());
  CT_NAMES(FIND)
#define FILL(name) slot_##name = dlsym(handle, #name);
  CT_NAMES(FILL)
  return NULL;
}
