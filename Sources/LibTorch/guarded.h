// What every function here is made of: handles, and a guard that turns exceptions into messages.
#pragma once
#include "CTorch.h"

#include <ATen/ATen.h>
#include <cstring>
#include <exception>
#include <utility>

inline at::Tensor &tensor(ct_tensor handle) { return *reinterpret_cast<at::Tensor *>(handle); }

inline ct_tensor handle(at::Tensor value) {
  return reinterpret_cast<ct_tensor>(new at::Tensor(std::move(value)));
}

/// Runs `body`; the message of whatever it throws is the result.
template <class Body> ct_error guarded(Body body) {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return strdup(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return strdup(error.what());
  } catch (...) {
    return strdup("unknown C++ exception");
  }
}
