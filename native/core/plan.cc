#include "core/plan.h"

#include <utility>

#include "core/error.h"

namespace circumplex {

size_t bytes_of(Type type) {
  switch (type) {
    case Type::f32:
    case Type::i32:
      return 4;
    case Type::f64:
      return 8;
    case Type::u8:
      return 1;
  }
  return 0;
}
namespace {

const char* name_of(Type type) {
  switch (type) {
    case Type::f32:
      return "float32";
    case Type::f64:
      return "float64";
    case Type::i32:
      return "int32";
    case Type::u8:
      return "uint8";
  }
  return "?";
}

std::string shape_of(const int64_t* dims, int32_t rank) {
  std::string text = "[";
  for (int32_t i = 0; i < rank; i++) {
    if (i) text += ", ";
    text += dims[i] < 0 ? "any" : std::to_string(dims[i]);
  }
  return text + "]";
}

}  // namespace

int64_t Call::inputs() const { return static_cast<int64_t>(inputs_.size()); }
int64_t Call::outputs() const { return static_cast<int64_t>(outputs_.size()); }
bool Call::has_input(int64_t index) const {
  return index >= 0 && index < inputs() && inputs_[static_cast<size_t>(index)].data != nullptr;
}
bool Call::has_output(int64_t index) const {
  return index >= 0 && index < outputs() && outputs_[static_cast<size_t>(index)].data != nullptr;
}

const Tensor& Call::checked(const std::vector<Tensor>& list, const char* side, int64_t index, const char* name,
                            Type type, int32_t rank, const int64_t* dims) const {
  const std::string where = op + ": " + side + " " + std::to_string(index) + " (" + name + ") ";
  if (index < 0 || index >= static_cast<int64_t>(list.size()) || list[static_cast<size_t>(index)].data == nullptr) {
    throw Error("ERR_SHAPE", where + "is missing");
  }
  const Tensor& tensor = list[static_cast<size_t>(index)];
  if (tensor.type != type) {
    throw Error("ERR_SHAPE", where + "is " + name_of(tensor.type) + ", expected " + name_of(type));
  }
  if (rank < 0) return tensor;
  bool fits = tensor.rank == rank;
  for (int32_t i = 0; fits && i < rank && i < 3; i++) fits = dims[i] < 0 || tensor.dims[i] == dims[i];
  if (!fits) {
    throw Error("ERR_SHAPE", where + "is " + shape_of(tensor.dims, tensor.rank) + ", expected " +
                                 shape_of(dims, rank < 3 ? rank : 3));
  }
  return tensor;
}

const Tensor& Call::input(int64_t index, const char* name, Type type, int32_t rank, int64_t d0, int64_t d1,
                          int64_t d2) const {
  const int64_t dims[3] = {d0, d1, d2};
  return checked(inputs_, "input", index, name, type, rank, dims);
}

const Tensor& Call::output(int64_t index, const char* name, Type type, int32_t rank, int64_t d0, int64_t d1,
                           int64_t d2) const {
  const int64_t dims[3] = {d0, d1, d2};
  return checked(outputs_, "output", index, name, type, rank, dims);
}

int64_t Call::count(const char* name) const {
  const auto found = attributes_.find(name);
  return found == attributes_.end() ? 0 : static_cast<int64_t>(found->second.size());
}

double Call::element(const char* name, int64_t index) const {
  if (index < 0 || index >= count(name)) throw Error("ERR_SHAPE", op + ": attribute " + name + " is missing");
  return attributes_.at(name)[static_cast<size_t>(index)];
}

double Call::number(const char* name) const { return element(name, 0); }
double Call::number(const char* name, double otherwise) const { return count(name) ? element(name, 0) : otherwise; }
int64_t Call::integer(const char* name) const {
  const double value = number(name);
  if (!(value >= -9e15 && value <= 9e15)) throw Error("ERR_SHAPE", op + ": attribute " + name + " is no integer");
  return static_cast<int64_t>(value);
}
int64_t Call::integer(const char* name, int64_t otherwise) const { return count(name) ? integer(name) : otherwise; }

void Call::refuse(const char* message) const { throw Error("ERR_SHAPE", op + ": " + message); }

void refuse_operator(const std::string& name) { throw Error("ERR_SHAPE", "unknown operator '" + name + "'"); }

void* Plan::allocate(int64_t bytes) {
  memory_.push_back(device_.allocate(static_cast<size_t>(bytes)));
  return memory_.back()->data();
}

void* Plan::host(int64_t bytes) {
  memory_.push_back(std::make_shared<HostMemory>(static_cast<size_t>(bytes)));
  return memory_.back()->data();
}

float* Plan::floats(int64_t count) {
  return static_cast<float*>(allocate(count * static_cast<int64_t>(sizeof(float))));
}

void* Plan::upload(const void* values, int64_t bytes) {
  void* memory = allocate(bytes);
  memory_.back()->write(0, values, static_cast<size_t>(bytes));
  return memory;
}

void Plan::keep(int64_t slot, const char* op, void* self) { slots_[slot] = {op, self}; }

void* Plan::take(int64_t slot, const char* op) {
  const auto found = slots_.find(slot);
  if (found == slots_.end() || found->second.op != op) {
    throw Error("ERR_SHAPE", std::string(op) +
                                 "_backward: no forward call of its own kind stands before it, or it had "
                                 "its backward call already");
  }
  void* self = found->second.self;
  slots_.erase(found);
  return self;
}

void Plan::kernel(const char* name) { kernel_ = name; }
std::string Plan::take_kernel() { return std::exchange(kernel_, {}); }

}  // namespace circumplex
