#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "core/control.h"
#include "core/memory.h"
#include "core/pool.h"
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

// Tasks without order among themselves. The rounds of a call run one after the other, the stages of a round together.
struct Stage {
  void (*run)(void* self, int64_t task, Worker& worker);
  void* self;
  int64_t tasks;
  int64_t round;
};

// A column of the data set that a call reads or writes: checked before each run, since tasks cannot fail.
struct ColumnUse {
  int64_t column, width, replicas;
  bool write;
};

// What an operator's plan function fills for one call: its buffers, its stages, and the name of the kernel that serves.
class Plan {
 public:
  Plan(const Control& program_control, int pool_threads) : control(program_control), threads(pool_threads) {}

  const Control& control;
  const int threads;

  // Zeroed memory that lives as long as the program.
  void* allocate(int64_t bytes);
  float* floats(int64_t count);
  // `T` is plain data: it is never destroyed, only released with the program.
  template <class T>
  T* make() {
    return new (allocate(sizeof(T))) T();
  }
  // Opens a round; `beside` adds to the round that is open.
  void stage(int64_t tasks, void (*run)(void* self, int64_t task, Worker& worker), void* self);
  void beside(int64_t tasks, void (*run)(void* self, int64_t task, Worker& worker), void* self);
  // Every task finds at least this much scratch memory in its worker.
  void scratch(int64_t bytes);
  // What a forward call of operator `op` leaves for its one backward call.
  void keep(int64_t slot, const char* op, void* self);
  void* take(int64_t slot, const char* op);
  void kernel(const char* name);
  // The call reads (or writes) `width` values a frame of a column, each replica its own where `replicas` > 1.
  void column(int64_t index, int64_t width, int64_t replicas, bool write);

  // Read by the program.
  std::vector<Stage> take_stages();
  std::string take_kernel();
  int64_t scratch_bytes() const { return scratch_bytes_; }
  const std::vector<ColumnUse>& columns() const { return columns_; }

 private:
  std::vector<std::unique_ptr<Memory>> memory_;
  std::vector<Stage> stages_;
  int64_t round_ = -1;
  struct Kept {
    std::string op;
    void* self;
  };
  std::map<int64_t, Kept> slots_;
  std::vector<ColumnUse> columns_;
  std::string kernel_;
  int64_t scratch_bytes_ = 0;
};

struct Operator {
  const char* name;
  void (*plan)(Plan& plan, const Call& call);
};

}  // namespace circumplex
