#include "operators/linear.h"

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
  plan.weight(p.weight);
  plan.prepare(p.weight.replicas * divide_up(p.n, kPanel), pack, &p);
}

}  // namespace

void plan_linear(Plan& plan, const Call& call) {
  const LinearCall l = read_linear(plan, call);
  Product& p = *plan.make<Product>();
  p.rows = l.rows;
  p.a = l.x;
  p.weight = l.weight;
  p.bias = l.bias;
  p.c = l.y;
  p.k = l.features;
  p.n = l.outputs;
  p.transposed = true;
  plan_pack(plan, p);
  plan.stage(tasks_of(p.rows), multiply, &p);
  plan.kernel("packed gemm");
}

void plan_linear_backward(Plan& plan, const Call& call) {
  const LinearCall l = read_linear_backward(plan, call);
  Product* p = nullptr;
  if (l.dx.data) {
    p = plan.make<Product>();
    p->rows = l.rows;
    p->a = l.dy;
    p->weight = l.weight;
    p->c = l.dx;
    p->k = l.outputs;
    p->n = l.features;
    plan_pack(plan, *p);
  }

  WeightGradient* gradients = plan.list<WeightGradient>(2);
  for (int i = 0; i < 2; i++) {
    WeightGradient& g = gradients[i];
    g.m = l.outputs;
    g.n = 1;
    g.a = l.dy.f32();
    g.a_stride = l.dy.stride;
    g.lda = l.outputs;
    g.halo = l.dy.dims[0] - plan.control.chunk;
  }
  gradients[0].n = l.features;
  gradients[0].b = l.x.f32();
  gradients[0].b_stride = l.x.stride;
  gradients[0].ldb = l.features;
  gradients[0].out = l.dweight;
  gradients[1].out = l.dbias;
  plan_weight_gradients(plan, call, gradients, 2, plan.control.chunk);

  if (p && (l.dweight.data || l.dbias.data)) {
    plan.beside(tasks_of(p->rows), multiply, p);
  } else if (p) {
    plan.stage(tasks_of(p->rows), multiply, p);
  }
  plan.kernel("packed gemm; slabs of 2048 rows");
}

}  // namespace circumplex::CIRCUMPLEX_ISA
