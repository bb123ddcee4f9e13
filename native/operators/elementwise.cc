#include "operators/elementwise.h"

namespace circumplex {
namespace {

bool is_row(const Call& call, const Tensor& a, const Tensor& b) {
  if (same_shape(a, b)) return false;
  if (a.rank != 3 || b.rank != 1 || b.dims[0] != a.dims[2]) call.refuse("b has neither a's shape nor [features]");
  return true;
}

// Reads the gradients' tensors; `p.rows` covers dy.
void read_gradients(const Plan& plan, const Call& call, PairCall& p) {
  p.rows = rows_of(plan, call, p.dy);
  if (call.has_output(0)) {
    p.da = call.output(0, "da", Type::f32, -1);
    if (!same_shape(p.da, p.dy)) call.refuse("da and dy differ in shape");
    p.rows.copies = p.da.replicas;
  }
  if (call.has_output(1)) {
    p.db = call.output(1, "db", Type::f32, -1);
    p.row = is_row(call, p.dy, p.db);
    if (p.row) replicated(plan, call, p.db);
    if (p.da.data && p.db.replicas != p.da.replicas) call.refuse("da and db are shared by all replicas or neither is");
    p.rows.copies = p.db.replicas;
  }
  const Tensor& result = p.da.data ? p.da : p.db;
  source(call, result, p.dy);
  source(call, result, p.a);
  source(call, result, p.b);
}

}  // namespace

MapCall read_map(Plan& plan, const Call& call) {
  MapCall m = {};
  m.x = call.input(0, "x", Type::f32, -1);
  m.y = call.output(0, "y", Type::f32, -1);
  if (!same_shape(m.x, m.y)) call.refuse("y and x differ in shape");
  source(call, m.y, m.x);
  m.rows = rows_of(plan, call, m.y);
  return m;
}

MapCall read_map_backward(Plan& plan, const Call& call) {
  MapCall m = {};
  m.y = call.input(0, "y", Type::f32, -1);
  m.dy = call.input(1, "dy", Type::f32, -1);
  m.dx = call.output(0, "dx", Type::f32, -1);
  if (!same_shape(m.y, m.dx) || !same_shape(m.dy, m.dx)) call.refuse("y, dy and dx differ in shape");
  source(call, m.dx, m.y);
  source(call, m.dx, m.dy);
  m.rows = rows_of(plan, call, m.dx);
  return m;
}

PairCall read_pair(Plan& plan, const Call& call) {
  PairCall p = {};
  p.a = call.input(0, "a", Type::f32, -1);
  p.b = call.input(1, "b", Type::f32, -1);
  p.y = call.output(0, "y", Type::f32, -1);
  if (!same_shape(p.a, p.y)) call.refuse("y and a differ in shape");
  p.row = is_row(call, p.a, p.b);
  source(call, p.y, p.a);
  source(call, p.y, p.b);
  p.rows = rows_of(plan, call, p.y);
  return p;
}

PairCall read_add_backward(Plan& plan, const Call& call) {
  PairCall p = {};
  p.dy = call.input(0, "dy", Type::f32, -1);
  if (call.has_output(0) || call.has_output(1)) read_gradients(plan, call, p);
  return p;
}

PairCall read_mul_backward(Plan& plan, const Call& call) {
  PairCall p = {};
  p.a = call.input(0, "a", Type::f32, -1);
  p.b = call.input(1, "b", Type::f32, -1);
  p.dy = call.input(2, "dy", Type::f32, -1);
  if (!same_shape(p.a, p.dy)) call.refuse("dy and a differ in shape");
  if (!call.has_output(0) && !call.has_output(1)) return p;
  read_gradients(plan, call, p);
  if (p.db.data && !same_shape(p.b, p.db)) call.refuse("db and b differ in shape");
  p.row = is_row(call, p.a, p.b);
  return p;
}

FillCall read_fill(Plan& plan, const Call& call) {
  FillCall f = {};
  f.control = &plan.control;
  f.result = call.output(0, "x", Type::f32, -1);
  f.value = static_cast<float>(call.number("value"));
  return f;
}

AccumulateCall read_accumulate(Plan& plan, const Call& call) {
  AccumulateCall a = {};
  a.control = &plan.control;
  a.result = call.output(0, "sum", Type::f32, -1);
  a.count = call.inputs();
  if (!a.count) call.refuse("nothing to add up");
  a.terms = plan.list<Tensor>(a.count);
  for (int64_t i = 0; i < a.count; i++) {
    a.terms[i] = source(call, a.result, call.input(i, "term", Type::f32, -1));
    if (!same_shape(a.terms[i], a.result)) call.refuse("a term and the sum differ in shape");
  }
  return a;
}

}  // namespace circumplex
