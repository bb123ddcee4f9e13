#pragma once
// Matrix products: forward products, gradients of inputs, and gradients of weights as sums over frames.

#include <vector>

#include "cuda/plan.h"

namespace circumplex::cuda {

// Precision (plan.h). `float32`: three TF32 products where the GPU's tensor cores make that the faster way, else FMA
// chains. `tf32` and `bf16` round the factors to 11 and 8 bits and sum in float32; a GPU older than compute capability
// 8.0 computes them as float32.
//
// An infinity among the factors gives infinity or NaN, and so may, with three TF32 products, a magnitude above 3.4e38:
// never a finite number. NaN gives NaN. Three TF32 products lose accuracy where a factor's own is below 1e-34.
// A factor [rows, columns] in memory: element (i, j) at data[i * row + j * column]; one of row and column is 1.
struct Factor {
  Array<const float> values;  // null, of b alone: all ones, and n = 1
  int64_t row, column;
};

// One of the products of a launch: c [m, n] = a [m, k] b [k, n] + bias [n], or added to what c holds. Every element is
// summed over k in an order that depends on k alone. Not both a and b lie by columns (row = 1).
struct Product {
  Factor a, b;
  Array<float> c;  // stride 0: one for all replicas, and then no replica's stopping matters
  int64_t ldc;
  int64_t m, n, k;  // the largest there can be
  // Which of m and k counts frames x lanes: of those only the rows in use (frames of the chunk + `halo`) take part.
  enum class Rows { none, m, k } rows = Rows::none;
  int64_t halo = 0;
  Array<const float> bias = {}, second_bias = {};  // summed first; null: none, as with rows = k
  bool add = false;
  Array<float> twin = {};  // receives the same values as c (an LSTM's second bias), or null
};

// Adds one launch of all products together. Those that sum over frames (rows = k) go by slabs of 2048 rows whose
// partial sums a second launch adds by a fixed tree, where there can be more than one slab.
void plan_products(Plan& plan, const std::vector<Product>& products);

// What computes them on this GPU, for Plan::kernel.
const char* products_kernel(const Plan& plan);

// y [rows, n] = x [rows, k] weight' [n, k] + bias: as nn.Linear.
Product forward_product(const Array<const float>& x, int64_t ldx, const Tensor& weight, const Array<float>& y,
                        int64_t ldy, int64_t rows, int64_t halo);
// dx [rows, k] = dy [rows, n] weight [n, k].
Product input_gradient(const Array<const float>& dy, int64_t lddy, const Tensor& weight, const Array<float>& dx,
                       int64_t lddx, int64_t rows, int64_t halo);
// dweight [n, k] = dy' [n, rows] x [rows, k]; x null: the column sums of dy (k = 1).
Product weight_gradient(const Array<const float>& dy, int64_t lddy, int64_t n, const Array<const float>& x, int64_t ldx,
                        int64_t k, const Tensor& dweight, int64_t rows, int64_t halo);

}  // namespace circumplex::cuda
