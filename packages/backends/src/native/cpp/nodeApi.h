// Node-API, on every system.
#pragma once
#include <node_api.h>

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

// A Windows library names the program that has a function that it calls. That need not be node.exe (Electron, a copy with another name), so the
// functions are looked up in the program that loaded this one. In the namespace these names come before the declarations of node_api.h.
namespace trainyard {
template <typename Function>
Function* hostFunction(const char* name) {
  return reinterpret_cast<Function*>(reinterpret_cast<void*>(GetProcAddress(GetModuleHandleW(nullptr), name)));
}

#define HOST_FUNCTION(name) inline const auto name = hostFunction<decltype(::name)>(#name);
HOST_FUNCTION(napi_add_env_cleanup_hook)
HOST_FUNCTION(napi_call_function)
HOST_FUNCTION(napi_call_threadsafe_function)
HOST_FUNCTION(napi_close_handle_scope)
HOST_FUNCTION(napi_create_array)
HOST_FUNCTION(napi_create_double)
HOST_FUNCTION(napi_create_external)
HOST_FUNCTION(napi_create_function)
HOST_FUNCTION(napi_create_object)
HOST_FUNCTION(napi_create_string_utf8)
HOST_FUNCTION(napi_create_threadsafe_function)
HOST_FUNCTION(napi_get_array_length)
HOST_FUNCTION(napi_get_boolean)
HOST_FUNCTION(napi_get_cb_info)
HOST_FUNCTION(napi_get_element)
HOST_FUNCTION(napi_get_named_property)
HOST_FUNCTION(napi_get_null)
HOST_FUNCTION(napi_get_typedarray_info)
HOST_FUNCTION(napi_get_undefined)
HOST_FUNCTION(napi_get_value_bool)
HOST_FUNCTION(napi_get_value_double)
HOST_FUNCTION(napi_get_value_external)
HOST_FUNCTION(napi_get_value_int64)
HOST_FUNCTION(napi_get_value_string_utf8)
HOST_FUNCTION(napi_has_named_property)
HOST_FUNCTION(napi_open_handle_scope)
HOST_FUNCTION(napi_release_threadsafe_function)
HOST_FUNCTION(napi_remove_env_cleanup_hook)
HOST_FUNCTION(napi_set_element)
HOST_FUNCTION(napi_set_named_property)
HOST_FUNCTION(napi_throw_error)
HOST_FUNCTION(napi_typeof)
#undef HOST_FUNCTION
}  // namespace trainyard
#endif
