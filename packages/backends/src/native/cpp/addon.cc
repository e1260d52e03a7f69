// The Node-API face of the engine: sessions and prepared programs as externals, runs that call back when they are done.
#include <node_api.h>

#include <cstring>
#include <stdexcept>
#include <thread>

#include "detect.h"
#include "footprint.h"
#include "session.h"

namespace trainyard {
namespace {

struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void check(napi_status status, const char* what) {
  if (status != napi_ok) throw Fault(std::string("unexpected value: ") + what);
}

// The order is that of preference, but for the bf16 dot products: see `listPaths`.
const Path* const paths[] = {
#if defined(__x86_64__)
    &pathAmx, &pathAvx512Bf16, &pathAvx512, &pathAvx2,
#endif
    &pathPortable, &pathAmxEmulated};

const char* const operationNames[] = {
    "embedding", "embeddingBackward",    "layerNorm", "layerNormBackward", "linear",
    "linearBackwardInput", "linearBackwardWeight", "attention", "attentionBackward", "attentionCached",
    "gelu", "geluBackward", "add", "dropout", "projectionLoss", "gradientNorm", "adamW"};
static_assert(sizeof operationNames / sizeof operationNames[0] == operationCount, "every operation has a name");

// Reading JavaScript values.

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
template <typename F>
void each(napi_env env, napi_value array, const char* what, F body) {
  uint32_t length;
  check(napi_get_array_length(env, array, &length), what);
  for (uint32_t i = 0; i < length; i++) {
    napi_handle_scope scope;
    check(napi_open_handle_scope(env, &scope), what);
    napi_value item;
    check(napi_get_element(env, array, i, &item), what);
    body(item);
    napi_close_handle_scope(env, scope);
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
  auto* box = new std::shared_ptr<T>(std::move(pointer));
  napi_value result;
  check(napi_create_external(
            env, box, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); }, nullptr, &result),
        "a handle");
  return result;
}

napi_value undefined(napi_env env) {
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
  napi_value at[4];
};
Arguments arguments(napi_env env, napi_callback_info info) {
  Arguments result;
  size_t count = 4;
  check(napi_get_cb_info(env, info, &count, result.at, nullptr, nullptr), "arguments");
  return result;
}

// Turns C++ exceptions into JavaScript ones.
template <napi_value (*body)(napi_env, const Arguments&)>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    return body(env, arguments(env, info));
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "memory", "the system gave no more memory");
  } catch (const std::exception& error) {
    napi_throw_error(env, "native", error.what());
  }
  return nullptr;
}

const Path& pathNamed(int index) {
  if (index < 0 || (size_t)index >= sizeof paths / sizeof paths[0]) throw Fault("no such kernel path");
  if (!paths[index]->supported()) throw Fault("this processor lacks that kernel path");
  return *paths[index];
}

// Entry points.

napi_value listPaths(napi_env env, const Arguments&) {
  napi_value list, dots;
  check(napi_create_array(env, &list), "a list");
  check(napi_get_boolean(env, quickBf16Dots() != 0, &dots), "a boolean");
  napi_set_named_property(env, list, "quickBf16Dots", dots);
  uint32_t i = 0;
  for (const Path* path : paths) {
    napi_value item, supported, multiplies;
    check(napi_create_object(env, &item), "an object");
    check(napi_get_boolean(env, path->supported() != 0, &supported), "a boolean");
    check(napi_get_boolean(env, path->multipliesBf16, &multiplies), "a boolean");
    napi_set_named_property(env, item, "index", numberOf(env, i));
    napi_set_named_property(env, item, "name", textOf(env, path->name));
    napi_set_named_property(env, item, "detail", textOf(env, path->detail));
    napi_set_named_property(env, item, "supported", supported);
    napi_set_named_property(env, item, "multipliesBf16", multiplies);
    napi_set_element(env, list, i++, item);
  }
  return list;
}

// open({ path, bf16, threads, sizes })
napi_value open(napi_env env, const Arguments& a) {
  std::vector<int64_t> sizes;
  each(env, field(env, a.at[0], "sizes"), "sizes", [&](napi_value v) { sizes.push_back((int64_t)number(env, v, "a size")); });
  const int threads = (int)number(env, field(env, a.at[0], "threads"), "threads");
  if (threads < 1 || threads > 64) throw Fault("threads must be 1 to 64");
  bool bf16;
  check(napi_get_value_bool(env, field(env, a.at[0], "bf16"), &bf16), "bf16");
  const Path& path = pathNamed((int)number(env, field(env, a.at[0], "path"), "path"));
  trimHeap();
  return external(env, std::make_shared<Session>(path, bf16 ? precisionBf16 : precisionF32, threads, std::move(sizes)));
}

template <typename T>
napi_value release(napi_env env, const Arguments& a) {
  void* data;
  check(napi_get_value_external(env, a.at[0], &data), "a handle");
  static_cast<std::shared_ptr<T>*>(data)->reset();
  return undefined(env);
}

// prepare(session, { tensors: [{ shape, held, offset }], steps: [{ operation, inputs, outputs, ... }], bytes })
napi_value prepare(napi_env env, const Arguments& a) {
  auto session = handle<Session>(env, a.at[0]);
  const napi_value program = a.at[1];
  const auto arena = (size_t)number(env, field(env, program, "bytes"), "bytes");
  std::vector<TensorDescription> tensors;
  each(env, field(env, program, "tensors"), "tensors", [&](napi_value v) {
    TensorDescription t;
    int64_t size = 4;
    each(env, field(env, v, "shape"), "a shape", [&](napi_value side) {
      t.shape.push_back((int64_t)number(env, side, "a side"));
      size *= t.shape.back();
    });
    if (t.shape.empty() || t.shape.size() > maximumAxes) throw Fault("a tensor must have 1 to 8 axes");
    t.held = (int)number(env, field(env, v, "held"), "held");
    t.offset = (int64_t)number(env, field(env, v, "offset"), "offset");
    if (t.held >= 0 && ((size_t)t.held >= session->tensorCount() || session->tensor((size_t)t.held).bytes() != (size_t)size))
      throw Fault("a held tensor does not fit the session's");
    if (t.offset >= 0 && (t.offset % 64 != 0 || (size_t)(t.offset + size) > arena)) throw Fault("a tensor lies outside the arena");
    tensors.push_back(std::move(t));
  });
  std::vector<StepDescription> steps;
  each(env, field(env, program, "steps"), "steps", [&](napi_value v) {
    StepDescription s = {};
    const std::string name = text(env, field(env, v, "operation"), "operation");
    int operation = 0;
    while (operation < operationCount && name != operationNames[operation]) operation++;
    if (operation == operationCount) throw Fault("there is no kernel for " + name);
    s.operation = (Operation)operation;
    const auto tensorIndex = [&](napi_value item) {
      const int index = (int)number(env, item, "a tensor index");
      if (index < -1 || index >= (int)tensors.size()) throw Fault("a step names no tensor");
      return index;
    };
    each(env, field(env, v, "inputs"), "inputs", [&](napi_value item) { s.inputs.push_back(tensorIndex(item)); });
    each(env, field(env, v, "outputs"), "outputs", [&](napi_value item) { s.outputs.push_back(tensorIndex(item)); });
    Step& at = s.attributes;
    at.accumulate = (uint32_t)number(env, v, "accumulate", 0);
    at.barrier = number(env, v, "barrier", 1) != 0;
    const napi_value attributes = field(env, v, "attributes");
    at.gelu = number(env, attributes, "gelu", 0) != 0;
    at.heads = (int)number(env, attributes, "heads", 1);
    at.epsilon = (float)number(env, attributes, "epsilon", 0);
    at.adamEpsilon = number(env, attributes, "epsilon", 0);
    at.rate = (float)number(env, attributes, "rate", 0);
    at.salt = (uint32_t)(int64_t)number(env, attributes, "salt", 0);
    at.maximum = (float)number(env, attributes, "maximum", 0);
    at.beta1 = number(env, attributes, "beta1", 0);
    at.beta2 = number(env, attributes, "beta2", 0);
    at.weightDecay = number(env, attributes, "weightDecay", 0);
    steps.push_back(std::move(s));
  });
  return external(env, std::make_shared<Prepared>(session, std::move(tensors), std::move(steps), arena));
}

struct Call {
  std::shared_ptr<Prepared> prepared;
  std::string message;
  bool failed = false;
};

void finish(napi_env env, napi_value callback, void*, void* data) {
  std::unique_ptr<Call> call(static_cast<Call*>(data));
  if (env == nullptr) return;
  napi_value argument, ignored;
  if (call->failed) napi_create_string_utf8(env, call->message.data(), call->message.size(), &argument);
  else napi_get_null(env, &argument);
  napi_call_function(env, undefined(env), callback, 1, &argument, &ignored);
}

// run(prepared, [[tensor index, values], ...], callback, isTimed): calls back with null, or with what went wrong.
napi_value run(napi_env env, const Arguments& a) {
  auto prepared = handle<Prepared>(env, a.at[0]);
  bool isTimed;
  check(napi_get_value_bool(env, a.at[3], &isTimed), "isTimed");
  prepared->bind();
  each(env, a.at[1], "inputs", [&](napi_value pair) {
    napi_value index, values;
    check(napi_get_element(env, pair, 0, &index), "an input");
    check(napi_get_element(env, pair, 1, &values), "an input");
    const auto at = (size_t)number(env, index, "an input's index");
    const Bytes bytes = fourByteArray(env, values);
    if (at >= prepared->tensorCount() || (size_t)prepared->tensor(at).size != bytes.count) throw Fault("an input has the wrong size");
    std::memcpy(prepared->tensor(at).data, bytes.data, bytes.count * 4);
  });
  napi_threadsafe_function function;
  check(napi_create_threadsafe_function(env, a.at[2], nullptr, textOf(env, "trainyard.run"), 0, 1, nullptr, nullptr, nullptr,
                                        finish, &function),
        "a callback");
  auto* call = new Call{prepared, {}, false};
  prepared->start(isTimed, [function, call](const char* message) {
    if (message != nullptr) {
      call->failed = true;
      call->message = message;
    }
    napi_call_threadsafe_function(function, call, napi_tsfn_blocking);
    napi_release_threadsafe_function(function, napi_tsfn_release);
  });
  return undefined(env);
}

napi_value cancel(napi_env env, const Arguments& a) {
  handle<Prepared>(env, a.at[0])->cancel();
  return undefined(env);
}

// take(prepared, tensor index, into)
napi_value take(napi_env env, const Arguments& a) {
  auto& prepared = handle<Prepared>(env, a.at[0]);
  const auto at = (size_t)number(env, a.at[1], "an index");
  const Bytes bytes = fourByteArray(env, a.at[2]);
  if (at >= prepared->tensorCount() || (size_t)prepared->tensor(at).size != bytes.count) throw Fault("an output has the wrong size");
  std::memcpy(bytes.data, prepared->tensor(at).data, bytes.count * 4);
  return undefined(env);
}

// times(prepared): of the timed runs, for each step, how often it ran, for how many nanoseconds together, and how many of them at work.
napi_value times(napi_env env, const Arguments& a) {
  auto& prepared = handle<Prepared>(env, a.at[0]);
  napi_value list;
  check(napi_create_array(env, &list), "a list");
  uint32_t i = 0;
  for (const auto& time : prepared->times()) {
    napi_set_element(env, list, i++, numberOf(env, (double)time.runs));
    napi_set_element(env, list, i++, numberOf(env, (double)time.nanoseconds));
    napi_set_element(env, list, i++, numberOf(env, (double)time.busyNanoseconds));
  }
  return list;
}

template <bool WRITE>
napi_value copy(napi_env env, const Arguments& a) {
  auto& session = handle<Session>(env, a.at[0]);
  const auto at = (size_t)number(env, a.at[1], "an index");
  const Bytes bytes = fourByteArray(env, a.at[2]);
  if (at >= session->tensorCount() || session->tensor(at).bytes() != bytes.count * 4) throw Fault("a tensor has another size");
  if (WRITE) session->write(at, static_cast<const float*>(bytes.data));
  else session->read(at, static_cast<float*>(bytes.data));
  return undefined(env);
}

napi_value bytesOf(napi_env env, const Arguments& a) { return numberOf(env, (double)handle<Session>(env, a.at[0])->bytes()); }

napi_value lighten(napi_env env, const Arguments&) {
  trimHeap();
  dropProgramPages();
  return undefined(env);
}

// peak({ path, bf16, threads, seconds }): floating-point operations per second of all threads together. Blocks.
napi_value peak(napi_env env, const Arguments& a) {
  const Path& path = pathNamed((int)number(env, field(env, a.at[0], "path"), "path"));
  bool bf16;
  check(napi_get_value_bool(env, field(env, a.at[0], "bf16"), &bf16), "bf16");
  const int threads = (int)number(env, field(env, a.at[0], "threads"), "threads");
  const double seconds = number(env, field(env, a.at[0], "seconds"), "seconds");
  std::vector<double> rates((size_t)threads);
  std::vector<std::thread> team;
  for (int i = 0; i < threads; i++)
    team.emplace_back([&, i] { rates[(size_t)i] = path.peak(bf16 ? precisionBf16 : precisionF32, seconds); });
  for (auto& thread : team) thread.join();
  double total = 0.0;
  for (const double rate : rates) total += rate;
  return numberOf(env, total);
}

napi_value start(napi_env env, napi_value exports) {
  trimHeap();
  const struct {
    const char* name;
    napi_callback call;
  } entries[] = {{"paths", entry<listPaths>},      {"open", entry<open>},
                 {"close", entry<release<Session>>}, {"prepare", entry<prepare>},
                 {"release", entry<release<Prepared>>}, {"run", entry<run>},
                 {"cancel", entry<cancel>},        {"take", entry<take>},
                 {"times", entry<times>},          {"read", entry<copy<false>>},
                 {"write", entry<copy<true>>},     {"bytes", entry<bytesOf>},
                 {"lighten", entry<lighten>},      {"peak", entry<peak>}};
  for (const auto& e : entries) {
    napi_value function;
    if (napi_create_function(env, e.name, NAPI_AUTO_LENGTH, e.call, nullptr, &function) != napi_ok ||
        napi_set_named_property(env, exports, e.name, function) != napi_ok)
      return nullptr;
  }
  return exports;
}

}  // namespace
}  // namespace trainyard

NAPI_MODULE_INIT() { return trainyard::start(env, exports); }
