// JavaScript values in C++. Whatever is not as expected is thrown as a Fault.
#pragma once

#include "nodeApi.h"

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace trainyard {
namespace {

struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(napi_status status, const char* what) {
  if (status != napi_ok) throw Fault(std::string("unexpected value: ") + what);
}

napi_value field(napi_env env, napi_value object, const char* name) {
  napi_value value;
  check(napi_get_named_property(env, object, name, &value), name);
  return value;
}
bool absent(napi_env env, napi_value value) {
  napi_valuetype type;
  check(napi_typeof(env, value, &type), "a value");
  return type == napi_undefined;
}
double number(napi_env env, napi_value value, const char* what) {
  double result;
  check(napi_get_value_double(env, value, &result), what);
  return result;
}
double number(napi_env env, napi_value object, const char* name, double otherwise) {
  const napi_value value = field(env, object, name);
  return absent(env, value) ? otherwise : number(env, value, name);
}
std::string text(napi_env env, napi_value value, const char* what) {
  size_t length;
  check(napi_get_value_string_utf8(env, value, nullptr, 0, &length), what);
  std::string result(length, '\0');
  check(napi_get_value_string_utf8(env, value, &result[0], length + 1, &length), what);
  return result;
}
// Closed on every way out: Node stops the process when a call leaves one open.
class HandleScope {
 public:
  HandleScope(napi_env env, const char* what) : env_(env) { check(napi_open_handle_scope(env, &scope_), what); }
  ~HandleScope() { napi_close_handle_scope(env_, scope_); }
  HandleScope(const HandleScope&) = delete;
  HandleScope& operator=(const HandleScope&) = delete;

 private:
  napi_env env_;
  napi_handle_scope scope_;
};
template <typename F>
void each(napi_env env, napi_value array, const char* what, F body) {
  uint32_t length;
  check(napi_get_array_length(env, array, &length), what);
  for (uint32_t i = 0; i < length; i++) {
    const HandleScope scope(env, what);
    napi_value item;
    check(napi_get_element(env, array, i, &item), what);
    body(item);
  }
}
struct Bytes {
  void* data;
  size_t count;  // elements of four bytes
};
Bytes fourByteArray(napi_env env, napi_value value) {
  napi_typedarray_type type;
  Bytes bytes;
  check(napi_get_typedarray_info(env, value, &type, &bytes.count, &bytes.data, nullptr, nullptr), "a typed array");
  if (type != napi_float32_array && type != napi_int32_array) throw Fault("unexpected value: not a four-byte array");
  return bytes;
}
struct Doubles {
  const double* data;
  size_t count;
};
Doubles doubles(napi_env env, napi_value value) {
  napi_typedarray_type type;
  Doubles numbers;
  void* data;
  check(napi_get_typedarray_info(env, value, &type, &numbers.count, &data, nullptr, nullptr), "a typed array");
  if (type != napi_float64_array) throw Fault("unexpected value: not an array of doubles");
  numbers.data = static_cast<const double*>(data);
  return numbers;
}
template <typename T>
std::shared_ptr<T>& handle(napi_env env, napi_value value) {
  void* data;
  check(napi_get_value_external(env, value, &data), "a handle");
  auto& pointer = *static_cast<std::shared_ptr<T>*>(data);
  if (pointer == nullptr) throw Fault("it is closed");
  return pointer;
}
template <typename T>
napi_value external(napi_env env, std::shared_ptr<T> pointer) {
  auto box = std::make_unique<std::shared_ptr<T>>(std::move(pointer));
  napi_value result;
  check(napi_create_external(
            env, box.get(), [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); }, nullptr, &result),
        "a handle");
  box.release();
  return result;
}

inline napi_value undefined(napi_env env) {
  napi_value result;
  napi_get_undefined(env, &result);
  return result;
}
napi_value numberOf(napi_env env, double value) {
  napi_value result;
  check(napi_create_double(env, value, &result), "a number");
  return result;
}
napi_value textOf(napi_env env, const std::string& value) {
  napi_value result;
  check(napi_create_string_utf8(env, value.data(), value.size(), &result), "a string");
  return result;
}

struct Arguments {
  napi_value at[5];
};
Arguments arguments(napi_env env, napi_callback_info info) {
  Arguments result;
  size_t count = 5;
  check(napi_get_cb_info(env, info, &count, result.at, nullptr, nullptr), "arguments");
  return result;
}

}  // namespace
}  // namespace trainyard
