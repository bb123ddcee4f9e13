// y = x W' + b, per frame; weight [output, feature] and bias [output] as in PyTorch's nn.Linear.
// Gradients: dx = dy W, dW = dy' x, db = the column sums of dy, over all frames of the chunk.

#include "cpu/cell.h"
#include "cpu/gemm.h"
#include "cpu/rows.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

// A product of rows with a weight that is packed first.
struct Product {
  Rows rows;
  Tensor a, weight, bias, c;  // bias.data = null: none
  int64_t k, n;               // a [rows, k], c [rows, n]
  bool transposed;            // weight is [n, k], not [k, n]
  float* panels;              // a copy for each of the weight's
  int64_t panels_size;
};

void pack(void* self, int64_t task, Worker&) {
  const Product& p = *static_cast<const Product*>(self);
  const int64_t count = divide_up(p.n, kPanel), replica = task / count, panel = task % count;
  if (stopped(*p.rows.control, p.weight.replicas, replica)) return;
  float* panels = p.panels + replica * p.panels_size;
  if (p.transposed) {
    pack_transposed(panels, p.weight.f32(replica), p.k, p.n, p.k, nullptr, panel, panel + 1);
  } else {
    pack_plain(panels, p.weight.f32(replica), p.n, p.n, p.k, nullptr, panel, panel + 1);
  }
}

void multiply(void* self, int64_t task, Worker&) {
  const Product& p = *static_cast<const Product*>(self);
  const Block block = block_of(p.rows, task);
  if (block.first == block.last) return;
  const int64_t r = block.replica;
  multiply_rows(block.last - block.first, p.n, p.k, p.a.f32(r) + block.first * p.k, p.k,
                p.panels + (p.weight.replicas > 1 ? r * p.panels_size : 0), p.bias.data ? Start::bias : Start::zero,
                p.bias.data ? p.bias.f32(r) : nullptr, p.c.f32(r) + block.first * p.n, p.n);
}

void plan_pack(Plan& plan, Product& p) {
  p.panels_size = packed_size(p.k, p.n);
  p.panels = plan.floats(p.weight.replicas * p.panels_size);
  plan.stage(p.weight.replicas * divide_up(p.n, kPanel), pack, &p);
}

}  // namespace

void plan_linear(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  Product& p = *plan.make<Product>();
  p.a = call.input(0, "x", Type::f32, 3, -1, control.lanes);
  p.weight = call.input(1, "weight", Type::f32, 2, -1, p.a.dims[2]);
  p.k = p.a.dims[2];
  p.n = p.weight.dims[0];
  if (call.has_input(2)) p.bias = call.input(2, "bias", Type::f32, 1, p.n);
  p.c = call.output(0, "y", Type::f32, 3, p.a.dims[0], control.lanes, p.n);
  source(call, p.c, p.a);
  source(call, p.c, p.weight);
  source(call, p.c, p.bias);
  p.transposed = true;
  p.rows = rows_of(plan, call, p.c);
  plan_pack(plan, p);
  plan.stage(p.rows.tasks(), multiply, &p);
  plan.kernel("packed gemm");
}

void plan_linear_backward(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  const Tensor& x = call.input(0, "x", Type::f32, 3, -1, control.lanes);
  const Tensor& weight = call.input(1, "weight", Type::f32, 2, -1, x.dims[2]);
  const int64_t features = x.dims[2], outputs = weight.dims[0];
  const Tensor& dy = call.input(2, "dy", Type::f32, 3, x.dims[0], control.lanes, outputs);
  rows_of(plan, call, dy);

  Product* p = nullptr;
  if (call.has_output(0)) {
    p = plan.make<Product>();
    p->a = dy;
    p->weight = weight;
    p->k = outputs;
    p->n = features;
    p->c = call.output(0, "dx", Type::f32, 3, x.dims[0], control.lanes, features);
    source(call, p->c, dy);
    source(call, p->c, weight);
    p->rows = rows_of(plan, call, p->c);
    plan_pack(plan, *p);
  }

  struct Gradients {
    WeightGradient of[2];
  };
  WeightGradient* gradients = plan.make<Gradients>()->of;
  for (int i = 0; i < 2; i++) {
    WeightGradient& g = gradients[i];
    g.m = outputs;
    g.n = 1;
    g.a = dy.f32();
    g.a_stride = dy.stride;
    g.lda = outputs;
    g.halo = dy.dims[0] - control.chunk;
  }
  if (call.has_output(1)) {
    WeightGradient& g = gradients[0];
    g.n = features;
    g.b = x.f32();
    g.b_stride = x.stride;
    g.ldb = features;
    g.out = replicated(plan, call, call.output(1, "dweight", Type::f32, 2, outputs, features));
  }
  if (call.has_output(2)) gradients[1].out = replicated(plan, call, call.output(2, "dbias", Type::f32, 1, outputs));
  plan_weight_gradients(plan, call, gradients, 2, control.chunk);

  if (p && (gradients[0].out.data || gradients[1].out.data)) {
    plan.beside(p->rows.tasks(), multiply, p);
  } else if (p) {
    plan.stage(p->rows.tasks(), multiply, p);
  }
  plan.kernel("packed gemm; slabs of 2048 rows");
}

}  // namespace circumplex::CIRCUMPLEX_ISA
