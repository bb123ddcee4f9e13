#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "core/control.h"
#include "core/device.h"
#include "core/memory.h"
#include "core/tensor.h"

namespace circumplex {

// One operator call of a program. The accessors check: a missing argument is ERR_SHAPE, naming operator and argument.
// Kernels that are compiled once per instruction set use only these out-of-line members, never an inline template of
// the standard library, of which the linker might keep the copy that older processors cannot run.
class Call {
 public:
  std::string op;
  std::vector<Tensor> inputs_, outputs_;
  std::map<std::string, std::vector<double>> attributes_;

  int64_t inputs() const;
  int64_t outputs() const;
  bool has_input(int64_t index) const;
  bool has_output(int64_t index) const;
  // `rank` and each dimension are checked when not negative.
  const Tensor& input(int64_t index, const char* name, Type type, int32_t rank, int64_t d0 = -1, int64_t d1 = -1,
                      int64_t d2 = -1) const;
  const Tensor& output(int64_t index, const char* name, Type type, int32_t rank, int64_t d0 = -1, int64_t d1 = -1,
                       int64_t d2 = -1) const;
  int64_t integer(const char* name) const;
  int64_t integer(const char* name, int64_t otherwise) const;
  double number(const char* name) const;
  double number(const char* name, double otherwise) const;
  int64_t count(const char* name) const;  // length of a list, 0 when absent
  double element(const char* name, int64_t index) const;
  [[noreturn]] void refuse(const char* message) const;  // ERR_SHAPE: "lstm: <message>"

 private:
  const Tensor& checked(const std::vector<Tensor>& list, const char* side, int64_t index, const char* name, Type type,
                        int32_t rank, const int64_t* dims) const;
};

// A column of the data set that a call reads or writes: checked before each run, since tasks cannot fail.
struct ColumnUse {
  int64_t column, width, replicas;
  bool write;
  int64_t left, right;  // frames before and after the chunk that it reads too
  bool operator==(const ColumnUse&) const = default;
};

[[noreturn]] void refuse_operator(const std::string& name);

// What an operator's plan function fills for one call: its buffers, the name of the kernel that serves, and, in the
// device's own plan, the work itself.
class Plan {
 public:
  Plan(const Control& program_control, Device& device)
      : control(program_control), threads(device.threads()), device_(device) {}

  const Control& control;  // its sizes hold while planning; what changes is the CPU's alone to read
  const int threads;

  // Zeroed memory of the device that lives as long as the program.
  void* allocate(int64_t bytes);
  float* floats(int64_t count);
  // Memory of the device with a copy of what the host has at `values`.
  void* upload(const void* values, int64_t bytes);
  // Of the host, to describe the call with. `T` is plain data: it is never destroyed, only released with the program.
  // Always inline, since kernels of several instruction sets make the same structs.
  template <class T>
  __attribute__((always_inline)) T* make(const T& value = T()) {
    return new (host(sizeof(T))) T(value);
  }
  template <class T>
  __attribute__((always_inline)) T* list(int64_t count) {
    return static_cast<T*>(host(count * static_cast<int64_t>(sizeof(T))));
  }
  // What a forward call of operator `op` leaves for its one backward call.
  void keep(int64_t slot, const char* op, void* self);
  void* take(int64_t slot, const char* op);
  void kernel(const char* name);
  void column(const ColumnUse& use) { columns_.push_back(use); }

  std::string take_kernel();
  const std::vector<ColumnUse>& columns() const { return columns_; }

 private:
  void* host(int64_t bytes);

  Device& device_;
  std::vector<std::shared_ptr<Memory>> memory_;
  struct Kept {
    std::string op;
    void* self;
  };
  std::map<int64_t, Kept> slots_;
  std::vector<ColumnUse> columns_;
  std::string kernel_;
};

// An entry of a device's table of operators, which ends with a null name.
template <class DevicePlan>
struct Operator {
  const char* name;
  void (*plan)(DevicePlan& plan, const Call& call);
};

template <class DevicePlan>
const Operator<DevicePlan>& find_operator(const Operator<DevicePlan>* table, const std::string& name) {
  for (; table->name; table++) {
    if (name == table->name) return *table;
  }
  refuse_operator(name);
}

}  // namespace circumplex
