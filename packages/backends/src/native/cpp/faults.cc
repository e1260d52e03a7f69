#include "faults.h"

#if defined(TRAINYARD_DEBUG)
#include <node_api.h>

#include <atomic>
#include <new>

namespace trainyard {
namespace {

// How many are still to succeed; below 0 when none is to fail. Workers count too.
std::atomic<int64_t> left{-1};
std::atomic<bool> lasts{false}, failed{false};

}  // namespace

bool failAt(int64_t nth, bool lasting) {
  left.store(nth - 1);
  lasts.store(lasting);
  return failed.exchange(false);
}

bool failsNow() {
  int64_t now = left.load();
  while (now >= 0 && !(now == 0 && lasts.load()) && !left.compare_exchange_weak(now, now - 1)) {
  }
  if (now != 0) return false;
  failed.store(true);
  return true;
}

}  // namespace trainyard

#if defined(TRAINYARD_WRAPPED)
using trainyard::failsNow;

extern "C" {

void* __real__Znwm(size_t bytes);
void* __wrap__Znwm(size_t bytes) {
  if (failsNow()) throw std::bad_alloc();
  return __real__Znwm(bytes);
}
void* __real__ZnwmSt11align_val_t(size_t bytes, std::align_val_t alignment);
void* __wrap__ZnwmSt11align_val_t(size_t bytes, std::align_val_t alignment) {
  if (failsNow()) throw std::bad_alloc();
  return __real__ZnwmSt11align_val_t(bytes, alignment);
}

#define WRAPPED(name, parameters, values)                          \
  napi_status __real_##name parameters;                            \
  napi_status __wrap_##name parameters {                           \
    return failsNow() ? napi_generic_failure : __real_##name values; \
  }

WRAPPED(napi_create_external, (napi_env a, void* b, napi_finalize c, void* d, napi_value* e), (a, b, c, d, e))
WRAPPED(napi_create_threadsafe_function,
        (napi_env a, napi_value b, napi_value c, napi_value d, size_t e, size_t f, void* g, napi_finalize h, void* i,
         napi_threadsafe_function_call_js j, napi_threadsafe_function* k),
        (a, b, c, d, e, f, g, h, i, j, k))
WRAPPED(napi_add_env_cleanup_hook, (napi_env a, void (*b)(void*), void* c), (a, b, c))
WRAPPED(napi_open_handle_scope, (napi_env a, napi_handle_scope* b), (a, b))
WRAPPED(napi_get_element, (napi_env a, napi_value b, uint32_t c, napi_value* d), (a, b, c, d))
WRAPPED(napi_get_named_property, (napi_env a, napi_value b, const char* c, napi_value* d), (a, b, c, d))
WRAPPED(napi_create_array, (napi_env a, napi_value* b), (a, b))
WRAPPED(napi_create_double, (napi_env a, double b, napi_value* c), (a, b, c))
WRAPPED(napi_create_string_utf8, (napi_env a, const char* b, size_t c, napi_value* d), (a, b, c, d))

}  // extern "C"
#endif
#endif
