// The Node-API face of the engine: sessions and prepared programs as externals, runs that call back when they are done.
#include <cstdio>
#include <cstring>
#include <thread>

#include "description.h"
#include "detect.h"
#include "faults.h"
#include "footprint.h"
#include "session.h"
#include "values.h"

namespace trainyard {
namespace {

// The order is that of preference, but for the bf16 dot products: see `listPaths`.
const Path* const paths[] = {
#if defined(__x86_64__)
    &pathAmx, &pathAvx512Bf16, &pathAvx512, &pathAvx2,
#endif
    &pathPortable, &pathAmxEmulated};

// Turns C++ exceptions into JavaScript ones.
template <napi_value (*body)(napi_env, const Arguments&)>
napi_value entry(napi_env env, napi_callback_info info) {
  try {
    return body(env, arguments(env, info));
  } catch (const OutOfMemory& error) {
    // In a buffer of its own: there is no more.
    char message[160];
    std::snprintf(message, sizeof message,
                  "the system gave no more memory (%.1f MB more were asked for); a smaller batch, sequence or model needs less",
                  (double)error.bytes / 1e6);
    napi_throw_error(env, "memory", message);
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "memory", "the system gave no more memory; a smaller batch, sequence or model needs less");
  } catch (const TooFewThreads& error) {
    napi_throw_error(env, "threads", error.what());
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

// open({ path, bf16, threads, sizes, widths?, arena? }): with widths, one for each size, the precision is int8. Only the debug build can do without an arena, and does unless it is asked for.
napi_value open(napi_env env, const Arguments& a) {
  std::vector<int64_t> sizes;
  each(env, field(env, a.at[0], "sizes"), "sizes", [&](napi_value v) { sizes.push_back((int64_t)number(env, v, "a size")); });
  const int threads = (int)number(env, field(env, a.at[0], "threads"), "threads");
  if (threads < 1 || threads > 64) throw Fault("threads must be 1 to 64");
  bool bf16, isInt8;
  check(napi_get_value_bool(env, field(env, a.at[0], "bf16"), &bf16), "bf16");
  check(napi_has_named_property(env, a.at[0], "widths", &isInt8), "widths");
  std::vector<int64_t> widths;
  if (isInt8) each(env, field(env, a.at[0], "widths"), "widths", [&](napi_value v) { widths.push_back((int64_t)number(env, v, "a width")); });
  if (isInt8 && widths.size() != sizes.size()) throw Fault("each tensor must have a width");
  for (size_t i = 0; i < widths.size(); i++)
    if (widths[i] < 0 || (widths[i] > 0 && sizes[i] % widths[i] != 0)) throw Fault("a width does not divide its tensor's size");
  const Path& path = pathNamed((int)number(env, field(env, a.at[0], "path"), "path"));
#if defined(TRAINYARD_DEBUG)
  const bool sharesArena = number(env, a.at[0], "arena", 0) != 0;
#else
  const bool sharesArena = true;
#endif
  trimHeap();
  return external(env, std::make_shared<Session>(path, isInt8 ? precisionInt8 : bf16 ? precisionBf16 : precisionF32, threads, sizes,
                                                 std::move(widths), sharesArena));
}

template <typename T>
napi_value release(napi_env env, const Arguments& a) {
  void* data;
  check(napi_get_value_external(env, a.at[0], &data), "a handle");
  static_cast<std::shared_ptr<T>*>(data)->reset();
  return undefined(env);
}

// prepare(session, program): see `readProgram`.
napi_value prepare(napi_env env, const Arguments& a) {
  auto session = handle<Session>(env, a.at[0]);
  ProgramDescription read = readProgram(env, a.at[1], *session);
  return external(env, std::make_shared<Prepared>(session, std::move(read.tensors), std::move(read.steps), read.arenaBytes));
}

// A run that is under way. Its thread-safe function owns it.
struct Call {
  napi_threadsafe_function function = nullptr;
  bool failed = false;
  char message[sizeof Failure::message];
  std::shared_ptr<Prepared> prepared;
};

// Ends a run that the environment no longer waits for.
void leave(void* data) {
  auto& prepared = static_cast<Call*>(data)->prepared;
  if (prepared == nullptr) return;
  prepared->cancel();
  prepared->waitUntilIdle();
}

void finalize(napi_env env, void* data, void*) {
  leave(data);
  napi_remove_env_cleanup_hook(env, leave, data);
  delete static_cast<Call*>(data);
}

void finish(napi_env env, napi_value callback, void*, void* data) {
  // Without an environment nobody listens, and the call is gone already.
  if (env == nullptr) return;
  auto* call = static_cast<Call*>(data);
  // Whoever is called may close the session, and find its memory given back.
  call->prepared.reset();
  napi_value argument, ignored;
  napi_get_null(env, &argument);
  if (call->failed && napi_create_string_utf8(env, call->message, NAPI_AUTO_LENGTH, &argument) != napi_ok)
    napi_get_undefined(env, &argument);
  napi_call_function(env, undefined(env), callback, 1, &argument, &ignored);
}

// Copies [[tensor index, values], ...] to where a program reads them.
void giveInputs(napi_env env, napi_value inputs, Prepared& prepared) {
  prepared.bind();
  each(env, inputs, "inputs", [&](napi_value pair) {
    napi_value index, values;
    check(napi_get_element(env, pair, 0, &index), "an input");
    check(napi_get_element(env, pair, 1, &values), "an input");
    const auto at = (size_t)number(env, index, "an input's index");
    const Bytes bytes = fourByteArray(env, values);
    if (at >= prepared.tensorCount() || (size_t)prepared.tensor(at).size != bytes.count) throw Fault("an input has the wrong size");
    std::memcpy(prepared.tensor(at).data, bytes.data, bytes.count * 4);
  });
}

// runOnCaller(prepared, inputs): the run is over when it returns, null or what went wrong. For runs so short that handing them to another
// thread and back would be a good part of their time.
napi_value runOnCaller(napi_env env, const Arguments& a) {
  auto prepared = handle<Prepared>(env, a.at[0]);
  giveInputs(env, a.at[1], *prepared);
  const char* failure = prepared->runOnCaller();
  if (failure != nullptr) return textOf(env, failure);
  napi_value none;
  check(napi_get_null(env, &none), "null");
  return none;
}

// run(prepared, inputs, callback, isTimed): calls back with null, or with what went wrong.
napi_value run(napi_env env, const Arguments& a) {
  auto prepared = handle<Prepared>(env, a.at[0]);
  bool isTimed;
  check(napi_get_value_bool(env, a.at[3], &isTimed), "isTimed");
  giveInputs(env, a.at[1], *prepared);
  const napi_value name = textOf(env, "trainyard.run");
  auto owned = std::make_unique<Call>();
  owned->prepared = prepared;
  check(napi_create_threadsafe_function(env, a.at[2], nullptr, name, 0, 1, owned.get(), finalize, nullptr, finish,
                                        &owned->function),
        "a callback");
  Call* const call = owned.release();
  try {
    // Called before the function's own hook, which was there earlier: it ends when the run has.
    check(napi_add_env_cleanup_hook(env, leave, call), "a hook");
    prepared->start(isTimed, [call](const char* message) {
      if (message != nullptr) {
        call->failed = true;
        std::snprintf(call->message, sizeof call->message, "%s", message);
      }
      const napi_threadsafe_function function = call->function;
      // One that is closing has let go of this thread, and may be gone.
      if (napi_call_threadsafe_function(function, call, napi_tsfn_nonblocking) != napi_closing)
        napi_release_threadsafe_function(function, napi_tsfn_release);
    });
  } catch (...) {
    // There is no run to end: the program's next one is not this call's.
    call->prepared.reset();
    napi_release_threadsafe_function(call->function, napi_tsfn_abort);
    throw;
  }
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

// copyWithin(session, tensor index, target, start, end)
napi_value copyWithin(napi_env env, const Arguments& a) {
  auto& session = handle<Session>(env, a.at[0]);
  const auto at = (size_t)number(env, a.at[1], "an index");
  const double target = number(env, a.at[2], "a place"), start = number(env, a.at[3], "a place"), end = number(env, a.at[4], "a place");
  if (at >= session->tensorCount()) throw Fault("a session has no such tensor");
  const double size = (double)(session->tensor(at).bytes() / 4);
  if (!(target >= 0 && start >= 0 && start <= end && end <= size && target + end - start <= size)) throw Fault("a place is outside a tensor");
  session->copyWithin(at, (size_t)target, (size_t)start, (size_t)(end - start));
  return undefined(env);
}

napi_value bytesOf(napi_env env, const Arguments& a) { return numberOf(env, (double)handle<Session>(env, a.at[0])->bytes()); }

napi_value freeMemory(napi_env env, const Arguments&) {
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
  std::vector<std::thread> workers;
  startThreads(
      workers, threads, [&](int i) { rates[(size_t)i] = path.peak(bf16 ? precisionBf16 : precisionF32, seconds); }, [] {});
  for (auto& thread : workers) thread.join();
  double total = 0.0;
  for (const double rate : rates) total += rate;
  return numberOf(env, total);
}

#if defined(TRAINYARD_DEBUG)
// failAt(nth, lasting), see faults.h: gives whether something failed since the last call.
napi_value failAtNth(napi_env env, const Arguments& a) {
  int64_t nth;
  bool lasting;
  // Nothing here may be made to fail.
  if (napi_get_value_int64(env, a.at[0], &nth) != napi_ok || napi_get_value_bool(env, a.at[1], &lasting) != napi_ok)
    throw Fault("failAt takes a number and a boolean");
  napi_value failed;
  check(napi_get_boolean(env, failAt(nth, lasting), &failed), "a boolean");
  return failed;
}
// heldBytes(): bytes of tensors and working memory of all sessions of the process.
napi_value heldBytes(napi_env env, const Arguments&) { return numberOf(env, (double)Memory::held()); }
#endif

napi_value start(napi_env env, napi_value exports) {
  trimHeap();
  const struct {
    const char* name;
    napi_callback call;
  } entries[] = {{"paths", entry<listPaths>},      {"open", entry<open>},
                 {"close", entry<release<Session>>}, {"prepare", entry<prepare>},
                 {"release", entry<release<Prepared>>}, {"run", entry<run>},
                 {"runOnCaller", entry<runOnCaller>},
                 {"cancel", entry<cancel>},        {"take", entry<take>},
                 {"times", entry<times>},          {"read", entry<copy<false>>},
                 {"write", entry<copy<true>>},     {"copyWithin", entry<copyWithin>}, {"bytes", entry<bytesOf>},
#if defined(TRAINYARD_DEBUG)
                 {"failAt", entry<failAtNth>},     {"heldBytes", entry<heldBytes>},
#endif
                 {"freeMemory", entry<freeMemory>}, {"peak", entry<peak>}};
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
