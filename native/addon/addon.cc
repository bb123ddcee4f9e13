// The Node-API surface: converts arguments, owns handles, settles promises. No arithmetic. lib/binding.ts is its type.
//
// A run goes to the device's own thread and reports through a thread-safe function. Cleanup hooks run last in, first
// out, so the hook added after the thread-safe function was made runs before Node finalises it: it stops the job and
// waits for it, and no thread touches the function during a worker's teardown.

#include <napi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/data.h"
#include "core/devices.h"
#include "core/error.h"
#include "core/old_libraries.h"
#include "core/pool.h"
#include "core/program.h"
#include "core/stream.h"
#include "cpu/dispatch.h"
#include "features/log_mel.h"
#include "features/pitch.h"

namespace {

using circumplex::Data;
using circumplex::Device;
using circumplex::Memory;
using circumplex::Program;
using circumplex::Stream;

struct Job;

class Owner {
 public:
  virtual void let_go() = 0;

 protected:
  ~Owner() = default;
};
using Owners = std::set<Owner*>;

struct Instance {
  std::set<Job*> jobs;  // runs that have not been finalised
  std::shared_ptr<Owners> owners = std::make_shared<Owners>();
};

Napi::Error coded(Napi::Env env, const char* code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  return error;
}

// Runs `body`; what the engine throws becomes a JavaScript error with its code.
template <class Body>
auto guarded(Napi::Env env, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const circumplex::Error& error) {
    throw coded(env, error.code, error.what());
  } catch (const std::bad_alloc&) {
    throw coded(env, "ERR_OUT_OF_MEMORY", "out of memory: use fewer lanes, replicas or frames a chunk");
  }
}

constexpr uint64_t kTags = 0x7a1f0c5e63d2b894;

template <class Self>
Self& unwrap(const Napi::Value& value) {
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Self::kTag)) {
    throw Napi::TypeError::New(value.Env(), std::string("expected a ") + Self::kName);
  }
  return *Self::Unwrap(value.As<Napi::Object>());
}

// A wrapped object that gives its memory back on dispose(), when it is collected, or when its thread ends: not every
// runtime collects what a terminated worker leaves. Its tag, which no script can set, says what it is: a prototype does
// not.
template <class Self, class Held>
class Handle : public Napi::ObjectWrap<Self>, public Owner {
 public:
  explicit Handle(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<Self>(info), owners_(info.Env().template GetInstanceData<Instance>()->owners) {
    info.This().As<Napi::Object>().TypeTag(&Self::kTag);
    owners_->insert(this);
  }
  ~Handle() { owners_->erase(this); }
  void let_go() override { held_.reset(); }
  void Finalize(Napi::BasicEnv env) override { release(Napi::Env(env)); }

  const std::shared_ptr<Held>& held(Napi::Env env) const {
    if (!held_) throw coded(env, "ERR_DISPOSED", std::string(Self::kName) + " was disposed");
    return held_;
  }

 protected:
  // For accessors: of a method Node checks the receiver itself.
  static const std::shared_ptr<Held>& receiver(const Napi::CallbackInfo& info) {
    return unwrap<Self>(info.This()).held(info.Env());
  }
  template <class Make>
  void hold(Napi::Env env, Make make) {
    guarded(env, [&] {
      const int64_t before = Memory::live().bytes;
      held_ = make();
      grow(env, Memory::live().bytes - before);
    });
  }
  void grow(Napi::Env env, int64_t bytes) {
    if (bytes <= 0) return;
    bytes_ += bytes;
    Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  }
  Napi::Value dispose(const Napi::CallbackInfo& info) {
    release(info.Env());
    return info.Env().Undefined();
  }

 private:
  void release(Napi::Env env) {
    held_.reset();
    if (bytes_) Napi::MemoryManagement::AdjustExternalMemory(env, -bytes_);
    bytes_ = 0;
  }
  std::shared_ptr<Held> held_;
  std::shared_ptr<Owners> owners_;
  int64_t bytes_ = 0;
};

int64_t integer(const Napi::Value& value, const char* what) {
  if (!value.IsNumber()) throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a number");
  return value.As<Napi::Number>().Int64Value();
}

std::string string(const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

Napi::TypedArray typed_array(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray()) throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a typed array");
  return value.As<Napi::TypedArray>();
}

// Also of an array over a SharedArrayBuffer, which not every Node takes for an ArrayBuffer.
char* bytes_of(const Napi::TypedArray& array) {
  void* data = nullptr;
  napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
  return static_cast<char*>(data);
}

Napi::Float32Array floats(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw Napi::TypeError::New(value.Env(), std::string(what) + " must be a Float32Array");
  }
  return value.As<Napi::Float32Array>();
}

class DeviceHandle : public Handle<DeviceHandle, Device> {
 public:
  static constexpr const char* kName = "device";
  static constexpr napi_type_tag kTag = {kTags, 1};
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Device",
        {InstanceMethod("dispose", &DeviceHandle::dispose), InstanceAccessor<&DeviceHandle::name>("name"),
         InstanceAccessor<&DeviceHandle::description>("description"),
         InstanceAccessor<&DeviceHandle::threads>("threads")});
  }
  // (name: 'cpu' or 'cuda:N', threads, instruction set, directory for columns): 0 and '' choose.
  explicit DeviceHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const std::string name = string(info[0], "the device's name");
    const int64_t threads = integer(info[1], "threads");
    if (threads > 1024) throw Napi::RangeError::New(info.Env(), "threads must be at most 1024");
    const std::string isa = info[2].IsString() ? info[2].As<Napi::String>().Utf8Value() : "";
    const std::string scratch = info[3].IsString() ? info[3].As<Napi::String>().Utf8Value() : "";
    hold(info.Env(), [&] {
      const std::shared_ptr<Device> device = circumplex::open_device(name, static_cast<int>(threads), isa);
      device->set_scratch(scratch);
      return device;
    });
  }

 private:
  Napi::Value name(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), receiver(info)->name()); }
  Napi::Value description(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), receiver(info)->description());
  }
  Napi::Value threads(const Napi::CallbackInfo& info) {
    return Napi::Number::New(info.Env(), receiver(info)->threads());
  }
};

std::shared_ptr<Device> device_of(const Napi::Value& value) { return unwrap<DeviceHandle>(value).held(value.Env()); }

// A block of device memory that programs share: parameters, moments, gradients.
class BlockHandle : public Handle<BlockHandle, Memory> {
 public:
  static constexpr const char* kName = "block";
  static constexpr napi_type_tag kTag = {kTags, 2};
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Block",
                       {InstanceMethod("dispose", &BlockHandle::dispose), InstanceMethod<&BlockHandle::read>("read"),
                        InstanceMethod<&BlockHandle::write>("write")});
  }
  // (device, bytes)
  explicit BlockHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const std::shared_ptr<Device> device = device_of(info[0]);
    const int64_t bytes = integer(info[1], "bytes");
    if (bytes < 0) throw Napi::RangeError::New(info.Env(), "bytes must not be negative");
    hold(info.Env(), [&] { return device->allocate(static_cast<size_t>(bytes)); });
  }

 private:
  // (offset in bytes, typed array)
  size_t part(const Napi::CallbackInfo& info, Napi::TypedArray& array) {
    const int64_t offset = integer(info[0], "offset");
    array = typed_array(info[1], "values");
    if (offset < 0 || static_cast<size_t>(offset) + array.ByteLength() > held(info.Env())->bytes()) {
      throw Napi::RangeError::New(info.Env(), "outside the block");
    }
    return static_cast<size_t>(offset);
  }
  Napi::Value read(const Napi::CallbackInfo& info) {
    Napi::TypedArray array;
    const size_t from = part(info, array);
    guarded(info.Env(), [&] { held(info.Env())->read(from, bytes_of(array), array.ByteLength()); });
    return info[1];
  }
  Napi::Value write(const Napi::CallbackInfo& info) {
    Napi::TypedArray array;
    const size_t to = part(info, array);
    guarded(info.Env(), [&] { held(info.Env())->write(to, bytes_of(array), array.ByteLength()); });
    return info.Env().Undefined();
  }
};

class DataHandle : public Handle<DataHandle, Data> {
 public:
  static constexpr const char* kName = "data set";
  static constexpr napi_type_tag kTag = {kTags, 3};
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Data",
        {InstanceMethod("dispose", &DataHandle::dispose), InstanceMethod<&DataHandle::add_column>("addColumn"),
         InstanceMethod<&DataHandle::read>("read"), InstanceMethod<&DataHandle::write>("write")});
  }
  // (device, lengths of the sequences)
  explicit DataHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const std::shared_ptr<Device> device = device_of(info[0]);
    const Napi::Array list = info[1].As<Napi::Array>();
    std::vector<int64_t> lengths;
    for (uint32_t i = 0; i < list.Length(); i++) lengths.push_back(integer(list.Get(i), "a length"));
    hold(info.Env(), [&] { return std::make_shared<Data>(device, std::move(lengths)); });
  }

 private:
  Napi::Value add_column(const Napi::CallbackInfo& info) {
    const int64_t width = integer(info[0], "width"), replicas = integer(info[1], "replicas");
    return guarded(info.Env(), [&] {
      const int64_t before = Memory::live().bytes;
      const int64_t column = held(info.Env())->add_column(width, replicas);
      grow(info.Env(), Memory::live().bytes - before);
      return Napi::Number::New(info.Env(), static_cast<double>(column));
    });
  }
  struct Part {
    int64_t column, sequence, replica;
    Napi::Float32Array values;  // [length, width]
  };
  // (column, sequence, replica, values)
  Part part(const Napi::CallbackInfo& info) {
    const Data& data = *held(info.Env());
    const Part p = {integer(info[0], "column"), integer(info[1], "sequence"), integer(info[2], "replica"),
                    floats(info[3], "values")};
    const bool known = p.column >= 0 && p.column < data.columns() && p.sequence >= 0 && p.sequence < data.sequences();
    if (!known || p.replica < 0 || p.replica >= data.replicas(p.column) ||
        static_cast<int64_t>(p.values.ElementLength()) != data.length(p.sequence) * data.width(p.column)) {
      throw Napi::RangeError::New(info.Env(), "values do not fit the column");
    }
    return p;
  }
  Napi::Value read(const Napi::CallbackInfo& info) {
    Part p = part(info);
    guarded(info.Env(), [&] { held(info.Env())->read(p.column, p.sequence, p.replica, p.values.Data()); });
    return info[3];
  }
  Napi::Value write(const Napi::CallbackInfo& info) {
    const Part p = part(info);
    guarded(info.Env(), [&] { held(info.Env())->write(p.column, p.sequence, p.replica, p.values.Data()); });
    return info.Env().Undefined();
  }
};

circumplex::Type type_named(Napi::Env env, const std::string& name) {
  if (name == "f32") return circumplex::Type::f32;
  if (name == "f64") return circumplex::Type::f64;
  if (name == "i32") return circumplex::Type::i32;
  if (name == "u8") return circumplex::Type::u8;
  throw Napi::TypeError::New(env, "unknown element type '" + name + "'");
}

std::vector<int64_t> integers(const Napi::Value& value) {
  std::vector<int64_t> list;
  const Napi::Array array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); i++) list.push_back(integer(array.Get(i), "an index"));
  return list;
}

circumplex::ProgramDescription description_of(const Napi::Object& object) {
  const Napi::Env env = object.Env();
  circumplex::ProgramDescription description;
  description.replicas = integer(object.Get("replicas"), "replicas");
  description.lanes = integer(object.Get("lanes"), "lanes");
  description.chunk = integer(object.Get("chunk"), "chunk");
  const Napi::Array buffers = object.Get("buffers").As<Napi::Array>();
  for (uint32_t i = 0; i < buffers.Length(); i++) {
    const Napi::Object entry = buffers.Get(i).As<Napi::Object>();
    circumplex::BufferDescription buffer;
    buffer.type = type_named(env, entry.Get("type").As<Napi::String>().Utf8Value());
    buffer.replicated = entry.Get("replicated").ToBoolean();
    buffer.dims = integers(entry.Get("dims"));
    const Napi::Value block = entry.Get("block");
    if (block.IsObject()) {
      buffer.memory = unwrap<BlockHandle>(block).held(env);
      buffer.offset = integer(entry.Get("offset"), "offset");
      buffer.stride = integer(entry.Get("stride"), "stride");
    }
    description.buffers.push_back(std::move(buffer));
  }
  const Napi::Array calls = object.Get("calls").As<Napi::Array>();
  for (uint32_t i = 0; i < calls.Length(); i++) {
    const Napi::Object entry = calls.Get(i).As<Napi::Object>();
    circumplex::CallDescription call;
    call.op = entry.Get("op").As<Napi::String>().Utf8Value();
    call.inputs = integers(entry.Get("inputs"));
    call.outputs = integers(entry.Get("outputs"));
    const Napi::Object attributes = entry.Get("attributes").As<Napi::Object>();
    const Napi::Array names = attributes.GetPropertyNames();
    for (uint32_t k = 0; k < names.Length(); k++) {
      const Napi::Value value = attributes.Get(names.Get(k));
      std::vector<double>& list = call.attributes[names.Get(k).As<Napi::String>().Utf8Value()];
      if (value.IsNumber()) {
        list.push_back(value.As<Napi::Number>().DoubleValue());
        continue;
      }
      const Napi::Array array = value.As<Napi::Array>();
      for (uint32_t e = 0; e < array.Length(); e++) list.push_back(array.Get(e).As<Napi::Number>().DoubleValue());
    }
    description.calls.push_back(std::move(call));
  }
  return description;
}

// What a run works on.
struct RunArguments {
  std::shared_ptr<Program> program;
  std::shared_ptr<Data> data;
  std::vector<int32_t> schedule;
  circumplex::RunSettings settings;
  int64_t from_call = 0, to_call = 0;
};

// One run of a program on the device's thread. Shared by the device's queue, the thread-safe function and stop().
struct Job {
  Job(Napi::Env environment, RunArguments given)
      : env(environment),
        instance(environment.GetInstanceData<Instance>()),
        deferred(Napi::Promise::Deferred::New(environment)),
        arguments(std::move(given)) {}

  napi_env env;
  Instance* instance;
  Napi::Promise::Deferred deferred;
  Napi::ThreadSafeFunction report;
  RunArguments arguments;  // program and data are let go on the JavaScript thread: the last reference ends the device
  int64_t done = 0;
  std::atomic<bool> stop{false};
  const char* error_code = nullptr;
  std::string error;

  std::mutex mutex;
  std::condition_variable finished;
  bool over = false;

  void run() {
    auto reported = std::chrono::steady_clock::now();
    const auto chunk_done = [&](int64_t chunks) {
      const auto now = std::chrono::steady_clock::now();
      if (now - reported < std::chrono::milliseconds(50)) return;
      reported = now;
      report.NonBlockingCall([chunks](Napi::Env environment, Napi::Function callback) {
        if (environment == nullptr || callback.IsEmpty()) return;
        callback.Call({Napi::Number::New(environment, static_cast<double>(chunks))});
      });
    };
    execute(chunk_done);
    report.NonBlockingCall(this, [](Napi::Env environment, Napi::Function callback, Job* job) {
      if (environment != nullptr && !callback.IsEmpty()) job->settle(environment);
    });
    report.Release();
    std::lock_guard lock(mutex);
    over = true;
    finished.notify_all();
  }

  void execute(const std::function<void(int64_t)>& chunk_done) {
    try {
      const RunArguments& a = arguments;
      done = a.program->run(a.schedule, a.settings, a.data.get(), stop, chunk_done, a.from_call, a.to_call);
    } catch (const circumplex::Error& failure) {
      error_code = failure.code;
      error = failure.what();
    } catch (const std::exception& failure) {
      error_code = "ERR_OUT_OF_MEMORY";
      error = failure.what();
    }
  }

  void settle(Napi::Env environment) {
    Napi::HandleScope scope(environment);
    let_go();
    if (error_code) {
      deferred.Reject(coded(environment, error_code, error).Value());
    } else if (stop) {
      deferred.Reject(coded(environment, "ERR_ABORTED", "the run was stopped").Value());
    } else {
      deferred.Resolve(Napi::Number::New(environment, static_cast<double>(done)));
    }
  }

  // Before the promise settles, so that whoever awaited it and disposes of the program has its memory back at once.
  void let_go() {
    arguments.program.reset();
    arguments.data.reset();
  }

  static void stop_and_wait(void* pointer) {
    Job* job = static_cast<Job*>(pointer);
    // All of them: this one may wait in the device's queue behind another, whose own hook comes later.
    for (Job* each : job->instance->jobs) each->stop = true;
    std::unique_lock lock(job->mutex);
    job->finished.wait(lock, [job] { return job->over; });
    job->let_go();
  }
};

class ProgramHandle : public Handle<ProgramHandle, Program> {
 public:
  static constexpr const char* kName = "program";
  static constexpr napi_type_tag kTag = {kTags, 4};
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Program",
        {InstanceMethod("dispose", &ProgramHandle::dispose), InstanceMethod<&ProgramHandle::run>("run"),
         InstanceMethod<&ProgramHandle::run_sync>("runSync"), InstanceMethod<&ProgramHandle::read>("read"),
         InstanceMethod<&ProgramHandle::write>("write"), InstanceAccessor<&ProgramHandle::kernels>("kernels")});
  }
  // (device, description)
  explicit ProgramHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const Napi::Env env = info.Env();
    const std::shared_ptr<Device> device = device_of(info[0]);
    circumplex::ProgramDescription description = description_of(info[1].As<Napi::Object>());
    hold(env, [&] { return std::make_shared<Program>(device, std::move(description)); });
  }

 private:
  // (schedule, settings, data or null, first call, end of calls)
  RunArguments arguments(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    RunArguments job;
    job.program = held(env);
    const Napi::TypedArray schedule = typed_array(info[0], "the schedule");
    if (schedule.TypedArrayType() != napi_int32_array) throw Napi::TypeError::New(env, "the schedule must be int32");
    const int32_t* rows = reinterpret_cast<const int32_t*>(bytes_of(schedule));
    job.schedule.assign(rows, rows + schedule.ElementLength());
    const Napi::Object settings = info[1].As<Napi::Object>();
    const Napi::Float32Array rates = floats(settings.Get("learningRate"), "learningRate");
    job.settings.learning_rate.assign(rates.Data(), rates.Data() + rates.ElementLength());
    const Napi::TypedArray active = typed_array(settings.Get("active"), "active");
    job.settings.active.assign(bytes_of(active), bytes_of(active) + active.ByteLength());
    const Napi::TypedArray seed = typed_array(settings.Get("seed"), "seed");
    if (seed.TypedArrayType() != napi_uint32_array) throw Napi::TypeError::New(env, "seed must be uint32");
    const uint32_t* seeds = reinterpret_cast<const uint32_t*>(bytes_of(seed));
    job.settings.seed.assign(seeds, seeds + seed.ElementLength());
    job.settings.epoch = static_cast<uint32_t>(integer(settings.Get("epoch"), "epoch"));
    job.settings.bypass = settings.Get("bypass").ToBoolean();
    if (info[2].IsObject()) {
      job.data = unwrap<DataHandle>(info[2]).held(env);
    }
    job.from_call = integer(info[3], "first call");
    job.to_call = integer(info[4], "end of calls");
    return job;
  }

  // (..., report(chunks done)) -> { promise, stop() }
  Napi::Value run(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[5].IsFunction()) throw Napi::TypeError::New(env, "report must be a function");
    using Shared = std::shared_ptr<Job>;
    const Shared job = std::make_shared<Job>(env, arguments(info));
    job->report = Napi::ThreadSafeFunction::New(
        env, info[5].As<Napi::Function>(), "circumplex", 0, 1, static_cast<void*>(nullptr),
        [](Napi::Env, Shared* shared, void*) {
          Job& finished = **shared;
          napi_remove_env_cleanup_hook(finished.env, Job::stop_and_wait, &finished);
          finished.instance->jobs.erase(&finished);
          finished.let_go();
          delete shared;
        },
        new Shared(job));
    job->instance->jobs.insert(job.get());
    napi_add_env_cleanup_hook(env, Job::stop_and_wait, job.get());
    job->arguments.program->device()->post([job] { job->run(); });
    Napi::Object result = Napi::Object::New(env);
    result.Set("promise", job->deferred.Promise());
    result.Set("stop", Napi::Function::New(env, [job](const Napi::CallbackInfo&) { job->stop = true; }));
    return result;
  }

  // On the calling thread; returns the chunks done.
  Napi::Value run_sync(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const RunArguments a = arguments(info);
    const std::atomic<bool> stop{false};
    circumplex::FlushDenormals flush;
    const int64_t done = guarded(env, [&] {
      return a.program->run(
          a.schedule, a.settings, a.data.get(), stop, [](int64_t) {}, a.from_call, a.to_call);
    });
    return Napi::Number::New(env, static_cast<double>(done));
  }

  struct Part {
    int64_t buffer, replica;
    Napi::TypedArray values;  // one replica's, or their first part
  };
  // (buffer, replica, typed array)
  Part part(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Program& program = *held(env);
    const Part p = {integer(info[0], "buffer"), integer(info[1], "replica"), typed_array(info[2], "values")};
    if (p.buffer < 0 || p.buffer >= program.buffers()) throw Napi::RangeError::New(env, "no such buffer");
    const circumplex::Tensor& tensor = program.buffer(p.buffer);
    napi_typedarray_type expected = napi_uint8_array;
    switch (tensor.type) {
      case circumplex::Type::f32:
        expected = napi_float32_array;
        break;
      case circumplex::Type::f64:
        expected = napi_float64_array;
        break;
      case circumplex::Type::i32:
        expected = napi_int32_array;
        break;
      case circumplex::Type::u8:
        break;
    }
    if (p.values.TypedArrayType() != expected || p.replica < 0 || p.replica >= tensor.replicas ||
        static_cast<int64_t>(p.values.ElementLength()) > tensor.size()) {
      throw Napi::RangeError::New(env, "values do not fit the buffer");
    }
    return p;
  }
  Napi::Value read(const Napi::CallbackInfo& info) {
    const Part p = part(info);
    guarded(info.Env(),
            [&] { held(info.Env())->read(p.buffer, p.replica, bytes_of(p.values), p.values.ByteLength()); });
    return info[2];
  }
  Napi::Value write(const Napi::CallbackInfo& info) {
    const Part p = part(info);
    guarded(info.Env(),
            [&] { held(info.Env())->write(p.buffer, p.replica, bytes_of(p.values), p.values.ByteLength()); });
    return info.Env().Undefined();
  }
  Napi::Value kernels(const Napi::CallbackInfo& info) {
    Napi::Array list = Napi::Array::New(info.Env());
    for (const std::string& kernel : receiver(info)->kernels()) {
      list.Set(list.Length(), Napi::String::New(info.Env(), kernel));
    }
    return list;
  }
};

// A sequence that comes in frame by frame. Its calls block, and no two of one stream may overlap.
class StreamHandle : public Handle<StreamHandle, Stream> {
 public:
  static constexpr const char* kName = "stream";
  static constexpr napi_type_tag kTag = {kTags, 5};
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "Stream",
        {InstanceMethod("dispose", &StreamHandle::dispose), InstanceMethod<&StreamHandle::push>("push"),
         InstanceMethod<&StreamHandle::finish>("finish"), InstanceMethod<&StreamHandle::reset>("reset"),
         InstanceMethod<&StreamHandle::save>("save"), InstanceMethod<&StreamHandle::restore>("restore")});
  }
  // (program, { inputs, outputs, states, features, latency, memory })
  explicit StreamHandle(const Napi::CallbackInfo& info) : Handle(info) {
    const Napi::Env env = info.Env();
    const auto program = unwrap<ProgramHandle>(info[0]).held(env);
    const Napi::Object object = info[1].As<Napi::Object>();
    circumplex::StreamDescription description;
    const Napi::Array inputs = object.Get("inputs").As<Napi::Array>();
    for (uint32_t i = 0; i < inputs.Length(); i++) {
      const Napi::Object entry = inputs.Get(i).As<Napi::Object>();
      std::vector<circumplex::StreamDescription::Part> parts;
      const Napi::Array list = entry.Get("parts").As<Napi::Array>();
      for (uint32_t p = 0; p < list.Length(); p++) {
        const Napi::Object part = list.Get(p).As<Napi::Object>();
        parts.push_back({integer(part.Get("offset"), "offset"), integer(part.Get("width"), "width")});
      }
      description.inputs.push_back({integer(entry.Get("values"), "values"), integer(entry.Get("valid"), "valid"),
                                    std::move(parts), integer(entry.Get("delay"), "delay")});
    }
    description.outputs = integers(object.Get("outputs"));
    description.states = integers(object.Get("states"));
    description.features = integer(object.Get("features"), "features");
    description.latency = integer(object.Get("latency"), "latency");
    description.memory = integer(object.Get("memory"), "memory");
    circumplex::FlushDenormals flush;
    hold(env, [&] { return std::make_shared<Stream>(program, std::move(description)); });
  }

 private:
  // (frames [n, features], predictions [at least n, outputs]) -> how many predictions there are
  Napi::Value push(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Stream& stream = *held(env);
    const Napi::Float32Array frames = floats(info[0], "frames");
    Napi::Float32Array predictions = floats(info[1], "predictions");
    const auto features = static_cast<size_t>(stream.features()), outputs = static_cast<size_t>(stream.outputs());
    const size_t count = frames.ElementLength() / features;
    if (frames.ElementLength() != count * features || predictions.ElementLength() < count * outputs) {
      throw Napi::RangeError::New(env, "frames or predictions have another size than the stream's");
    }
    circumplex::FlushDenormals flush;
    return guarded(env, [&] {
      const float* frame = frames.Data();
      float* out = predictions.Data();
      uint32_t made = 0;
      for (size_t i = 0; i < count; i++) made += stream.push(frame + i * features, out + made * outputs);
      return Napi::Number::New(env, made);
    });
  }
  // (predictions [latency, outputs]) -> how many there are
  Napi::Value finish(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Stream& stream = *held(env);
    Napi::Float32Array predictions = floats(info[0], "predictions");
    const auto outputs = static_cast<size_t>(stream.outputs());
    if (predictions.ElementLength() < static_cast<size_t>(stream.latency()) * outputs) {
      throw Napi::RangeError::New(env, "predictions have no room for the frames that are left");
    }
    circumplex::FlushDenormals flush;
    return guarded(env, [&] {
      uint32_t made = 0;
      while (stream.finish(predictions.Data() + made * outputs)) made++;
      return Napi::Number::New(env, made);
    });
  }
  Napi::Value reset(const Napi::CallbackInfo& info) {
    held(info.Env())->reset();
    return info.Env().Undefined();
  }
  Napi::Value save(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Stream::State state = guarded(env, [&] { return held(env)->save(); });
    const auto array = [&](const std::vector<float>& values) {
      Napi::Float32Array result = Napi::Float32Array::New(env, values.size());
      std::copy(values.begin(), values.end(), result.Data());
      return result;
    };
    Napi::Object result = Napi::Object::New(env);
    result.Set("frames", static_cast<double>(state.frames));
    result.Set("recent", array(state.recent));
    result.Set("carried", array(state.carried));
    return result;
  }
  Napi::Value restore(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Napi::Object object = info[0].As<Napi::Object>();
    Stream::State state;
    state.frames = integer(object.Get("frames"), "frames");
    const auto list = [&](const char* name) {
      const Napi::Float32Array values = floats(object.Get(name), name);
      return std::vector<float>(values.Data(), values.Data() + values.ElementLength());
    };
    state.recent = list("recent");
    state.carried = list("carried");
    circumplex::FlushDenormals flush;
    guarded(env, [&] { held(env)->restore(state); });
    return env.Undefined();
  }
};

Napi::Value memory(const Napi::CallbackInfo& info) {
  Napi::Object result = Napi::Object::New(info.Env());
  const Memory::Live live = Memory::live();
  result.Set("bytes", static_cast<double>(live.bytes));
  result.Set("blocks", static_cast<double>(live.blocks));
  result.Set("deviceBytes", static_cast<double>(live.device_bytes));
  return result;
}

// (directory, bytes): an ArrayBuffer in a nameless file there.
Napi::Value scratch_buffer(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string directory = string(info[0], "the directory");
  const int64_t bytes = integer(info[1], "bytes");
  if (bytes < 0) throw Napi::RangeError::New(env, "bytes must not be negative");
  auto memory =
      guarded(env, [&] { return std::make_unique<circumplex::FileMemory>(directory, static_cast<size_t>(bytes)); });
  void* data = memory->data();
  return Napi::ArrayBuffer::New(
      env, data, static_cast<size_t>(bytes), [](Napi::BasicEnv, void*, circumplex::FileMemory* held) { delete held; },
      memory.release());
}

Napi::Value instruction_sets(const Napi::CallbackInfo& info) {
  Napi::Array list = Napi::Array::New(info.Env());
  for (const circumplex::cpu::InstructionSet& set : circumplex::cpu::instruction_sets()) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", set.name);
    entry.Set("available", set.available());
    list.Set(list.Length(), entry);
  }
  return list;
}

Napi::Value cuda_report(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const circumplex::CudaReport report = circumplex::cuda_report();
  Napi::Object result = Napi::Object::New(env);
  result.Set("built", report.built);
  result.Set("problem", report.problem);
  result.Set("driver", report.driver);
  result.Set("runtime", report.runtime);
  result.Set("architectures", report.architectures);
  Napi::Array gpus = Napi::Array::New(env);
  for (const circumplex::CudaReport::Gpu& gpu : report.gpus) {
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", gpu.name);
    entry.Set("computeCapability", std::to_string(gpu.major) + "." + std::to_string(gpu.minor));
    entry.Set("multiprocessors", gpu.multiprocessors);
    entry.Set("memory", static_cast<double>(gpu.memory));
    gpus.Set(gpus.Length(), entry);
  }
  result.Set("gpus", gpus);
  return result;
}

// (samples, frames): fills `frames` [count(samples), width] of a stretch of sound.
template <int64_t count(int64_t), void compute(const float*, int64_t, float*), int width>
Napi::Value sound_frames(const Napi::CallbackInfo& info) {
  const Napi::Float32Array samples = floats(info[0], "samples");
  Napi::Float32Array frames = floats(info[1], "frames");
  const int64_t length = static_cast<int64_t>(samples.ElementLength());
  if (static_cast<int64_t>(frames.ElementLength()) != count(length) * width) {
    throw Napi::RangeError::New(info.Env(), "frames must have " + std::to_string(count(length) * width) + " values");
  }
  compute(samples.Data(), length, frames.Data());
  return frames;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  auto* instance = new Instance();
  env.SetInstanceData(instance);
  // The first hook to be added is the last to run: no job works on what the owners hold any more.
  napi_add_env_cleanup_hook(
      env,
      [](void* pointer) {
        const std::unique_ptr<std::shared_ptr<Owners>> owners(static_cast<std::shared_ptr<Owners>*>(pointer));
        for (Owner* owner : **owners) owner->let_go();
      },
      new std::shared_ptr<Owners>(instance->owners));
  exports.Set("Device", DeviceHandle::define(env));
  exports.Set("Block", BlockHandle::define(env));
  exports.Set("Data", DataHandle::define(env));
  exports.Set("Program", ProgramHandle::define(env));
  exports.Set("Stream", StreamHandle::define(env));
  exports.Set("memory", Napi::Function::New<memory>(env));
  exports.Set("scratchBuffer", Napi::Function::New<scratch_buffer>(env));
  exports.Set("cudaReport", Napi::Function::New<cuda_report>(env));
  exports.Set("instructionSets", Napi::Function::New<instruction_sets>(env));
  using namespace circumplex::features;
  exports.Set("logMel", Napi::Function::New<sound_frames<log_mel_frames, log_mel, LogMel::kBands>>(env));
  exports.Set("pitch", Napi::Function::New<sound_frames<pitch_frames, pitch, 2>>(env));
  exports.Set("defaultThreads", Napi::Number::New(env, circumplex::default_threads()));
  return exports;
}

}  // namespace

NODE_API_MODULE(circumplex, initialise)
