#include "cuda/gemm.h"
#include "operators/linear.h"

namespace circumplex::cuda {

void plan_linear(Plan& plan, const Call& call) {
  const LinearCall l = read_linear(plan, call);
  Product p = forward_product(array<const float>(l.x), l.features, l.weight, array<float>(l.y), l.outputs, l.rows.count,
                              l.rows.frames - plan.control.chunk);
  p.bias = array<const float>(l.bias);
  plan_products(plan, {p});
  plan.kernel(products_kernel(plan));
}

void plan_linear_backward(Plan& plan, const Call& call) {
  const LinearCall l = read_linear_backward(plan, call);
  const Array<const float> x = array<const float>(l.x), dy = array<const float>(l.dy);
  const int64_t rows = l.rows.count, halo = l.rows.frames - plan.control.chunk;
  std::vector<Product> products;
  if (l.dx.data) {
    products.push_back(input_gradient(dy, l.outputs, l.weight, array<float>(l.dx), l.features, rows, halo));
  }
  if (l.dweight.data) {
    products.push_back(weight_gradient(dy, l.outputs, l.outputs, x, l.features, l.features, l.dweight, rows, halo));
  }
  if (l.dbias.data) products.push_back(weight_gradient(dy, l.outputs, l.outputs, {}, 0, 1, l.dbias, rows, halo));
  plan_products(plan, products);
  plan.kernel(products_kernel(plan));
}

}  // namespace circumplex::cuda
