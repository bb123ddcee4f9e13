// Every operator but the recurrent ones, held to float64 on odd shapes: each instruction set, one and two threads, and
// the CUDA kernels on the emulator; replicas together and alone. Gradients are checked against central differences of
// the float64 forward pass where that is affordable, against the written-out formula where it is not.

#include "harness.h"

namespace circumplex::test {
namespace {

std::string label(const char* name, std::initializer_list<int64_t> sizes) {
  std::string text = name;
  for (int64_t size : sizes) text.append(" ").append(std::to_string(size));
  return text;
}

// ---- linear ----

// To nearest, ties to even.
double bfloat16(double value) {
  if (value == 0) return value;
  const double unit = std::ldexp(1, std::ilogb(value) - 7);
  return std::nearbyint(value / unit) * unit;
}

// `bf16`: of factors rounded to bfloat16.
void linear(int64_t lanes, int64_t chunk, int64_t halo, int64_t f, int64_t o, bool bias, bool shared_x,
            bool bf16 = false) {
  Case c;
  c.name = label(bf16 ? "linear of bfloat16" : "linear", {lanes, chunk, halo, f, o, bias, shared_x});
  c.lanes = lanes;
  c.chunk = chunk;
  c.replicas = chunk > 100 ? 1 : 3;
  c.usual_schedule();
  const int64_t t = chunk + halo, x = c.input({t, lanes, f}, !shared_x), w = c.input({o, f}), b = c.input({o});
  const int64_t y = c.output({t, lanes, o}), dy = c.input({t, lanes, o});
  const int64_t dx = c.output({t, lanes, f}), dw = c.output({o, f}), db = c.output({o});
  c.call("linear", {x, w, bias ? b : -1}, {y});
  c.call("linear_backward", {x, w, dy}, {dx, dw, bias ? db : -1});
  c.atol = 2e-5 * std::sqrt(static_cast<double>(chunk));
  const auto factor = [bf16](double value) { return bf16 ? bfloat16(value) : value; };
  c.reference = [=](World& v) {
    std::fill(v[dw].begin(), v[dw].end(), 0);
    if (bias) std::fill(v[db].begin(), v[db].end(), 0);
    for (int64_t row = 0; row < v.rows(halo); row++) {
      const double* from = &v[x][static_cast<size_t>(row * f)];
      const double* up = &v[dy][static_cast<size_t>(row * o)];
      double* down = &v[dx][static_cast<size_t>(row * f)];
      std::fill(down, down + f, 0);
      for (int64_t i = 0; i < o; i++) {
        const double* weight = &v[w][static_cast<size_t>(i * f)];
        double sum = bias ? v[b][static_cast<size_t>(i)] : 0;
        for (int64_t k = 0; k < f; k++) {
          sum += factor(from[k]) * factor(weight[k]);
          down[k] += factor(up[i]) * factor(weight[k]);
          v[dw][static_cast<size_t>(i * f + k)] += factor(up[i]) * factor(from[k]);
        }
        v[y][static_cast<size_t>(row * o + i)] = sum;
        if (bias) v[db][static_cast<size_t>(i)] += up[i];
      }
    }
  };
  verify(c, bf16);
}

// ---- gather, scatter ----

// Lanes anywhere in their sequences: a first, a middle and a last chunk, an idle lane, one without a valid frame.
void odd_schedule(Case& c) {
  c.lanes = 4;
  c.chunk = 5;
  c.lengths = {17, 4, 9, 6};
  c.row(0, 0, 5), c.row(1, 0, 4), c.row(2, 5, 4), c.row(-1, 0, 0);
  c.row(0, 7, 3), c.row(2, 0, 0), c.row(-1, 3, 2), c.row(3, 4, 2);
}

void gather(int64_t width, int64_t left, int64_t right, bool masked, bool replicated) {
  Case c;
  c.name = label("gather", {width, left, right, masked, replicated});
  odd_schedule(c);
  int64_t value = 0;
  const int64_t column = c.column(width, replicated, [&] {
    const bool missing = value / width % 7 == 3;
    value++;
    return missing ? kNan : c.draw();
  });
  const int64_t t = left + c.chunk + right;
  const int64_t values = c.output({t, c.lanes, width}, Type::f32, replicated);
  const int64_t valid = c.output({t, c.lanes}, Type::u8, replicated);
  c.call("gather", {}, {values, masked ? valid : -1},
         {{"column", {double(column)}}, {"left", {double(left)}}, {"right", {double(right)}}});
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(left + right); row++) {
      const size_t lane = static_cast<size_t>(row % v.lanes);
      const int64_t offset = row / v.lanes - left, frame = v.now.start[lane] + offset;
      bool present = v.now.sequence[lane] >= 0 && frame >= 0 && frame < v.now.total[lane] &&
                     offset < v.now.length[lane] + (masked ? right : 0);
      const int64_t sequence = std::max<int64_t>(0, v.now.sequence[lane]);
      const size_t from = static_cast<size_t>((v.offsets[static_cast<size_t>(sequence)] + frame) * width);
      const Values& data = *v.columns[0];
      if (masked) {
        present = present && !std::isnan(data[from]);
        v[valid][static_cast<size_t>(row)] = present;
      }
      for (int64_t i = 0; i < width; i++) {
        v[values][static_cast<size_t>(row * width + i)] = present  ? data[from + static_cast<size_t>(i)]
                                                          : masked ? 0
                                                                   : kNan;
      }
    }
  };
  verify(c);
}

void scatter(int64_t width, bool shared_values, std::vector<int64_t> frame) {
  Case c;
  c.name = label("scatter", {width, shared_values});
  odd_schedule(c);
  const int64_t column = c.column(width, true, [&] { return c.draw(); });
  std::vector<int64_t> shape = {c.chunk, c.lanes};
  shape.insert(shape.end(), frame.begin(), frame.end());
  const int64_t values = c.input(shape, !shared_values);
  c.call("scatter", {values}, {}, {{"column", {double(column)}}});
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(); row++) {
      if (!v.valid(row)) continue;
      const size_t lane = static_cast<size_t>(row % v.lanes);
      const int64_t frame = v.offsets[static_cast<size_t>(v.now.sequence[lane])] + v.now.start[lane] + row / v.lanes;
      for (int64_t i = 0; i < width; i++) {
        (*v.columns[0])[static_cast<size_t>(frame * width + i)] = v[values][static_cast<size_t>(row * width + i)];
      }
    }
  };
  verify(c);
}

// ---- concat, any_valid ----

void concat(std::vector<int64_t> widths, int64_t halo, int64_t left_out) {
  Case c;
  c.name = label("concat", {int64_t(widths.size()), halo, left_out});
  c.chunk = 40;
  c.usual_schedule();
  const int64_t t = c.chunk + halo;
  int64_t sum = 0;
  std::vector<int64_t> x, dx;
  for (int64_t width : widths) {
    dx.push_back(int64_t(x.size()) == left_out ? -1 : c.output({t, c.lanes, width}));
    x.push_back(c.input({t, c.lanes, width}, x.size() != 1));  // the second part is shared
    sum += width;
  }
  const int64_t y = c.output({t, c.lanes, sum}), dy = c.input({t, c.lanes, sum});
  c.call("concat", x, {y});
  c.call("concat_backward", {dy}, dx);
  c.rtol = c.atol = 0;
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(halo); row++) {
      size_t at = static_cast<size_t>(row * sum);
      for (size_t part = 0; part < widths.size(); part++) {
        for (int64_t i = 0; i < widths[part]; i++, at++) {
          const size_t from = static_cast<size_t>(row * widths[part] + i);
          v[y][at] = v[x[part]][from];
          if (dx[part] >= 0) v[dx[part]][from] = v[dy][at];
        }
      }
    }
  };
  verify(c);
}

void any_valid(int64_t count, int64_t halo, bool replicated) {
  Case c;
  c.name = label("any_valid", {count, halo, replicated});
  c.chunk = 50;
  c.usual_schedule();
  std::vector<int64_t> masks;
  for (int64_t i = 0; i < count; i++) masks.push_back(c.mask({c.chunk + halo, c.lanes}, replicated, 0.3));
  const int64_t valid = c.output({c.chunk + halo, c.lanes}, Type::u8, replicated);
  c.call("any_valid", masks, {valid});
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(halo); row++) {
      const size_t i = static_cast<size_t>(row);
      v[valid][i] = 0;
      for (int64_t mask : masks) v[valid][i] = std::max(v[valid][i], v[mask][i]);
    }
  };
  verify(c);
}

// ---- dropout ----

struct Counter {
  uint32_t v[4];
};

// Philox 4x32-10 as the paper writes it, one counter at a time.
Counter philox(Counter c, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++, k0 += 0x9e3779b9u, k1 += 0xbb67ae85u) {
    const uint64_t a = uint64_t{0xd2511f53u} * c.v[0], b = uint64_t{0xcd9e8d57u} * c.v[2];
    c = {{uint32_t(b >> 32) ^ c.v[1] ^ k0, uint32_t(b), uint32_t(a >> 32) ^ c.v[3] ^ k1, uint32_t(a)}};
  }
  return c;
}

// The known answers of the authors' Random123.
void philox_known_answers() {
  const Counter zero = philox({{0, 0, 0, 0}}, 0, 0), ones = philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u);
  const Counter pi = philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0);
  const Counter answers[] = {{{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
                             {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
                             {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}};
  const Counter* found[] = {&zero, &ones, &pi};
  for (int i = 0; i < 3; i++) CHECK(!std::memcmp(found[i], &answers[i], sizeof(Counter)), "known answer %d", i);
}

void dropout(int64_t units, int64_t left, int64_t right, double p) {
  Case c;
  c.name = label("dropout", {units, left, right, int64_t(100 * p)});
  odd_schedule(c);
  const int64_t t = left + c.chunk + right, x = c.input({t, c.lanes, units}), y = c.output({t, c.lanes, units});
  const int64_t dy = c.input({t, c.lanes, units}), dx = c.output({t, c.lanes, units});
  c.call("dropout", {x}, {y}, {{"p", {p}}, {"site", {9}}, {"left", {double(left)}}});
  c.call("dropout_backward", {dy}, {dx}, {{"p", {p}}, {"site", {9}}, {"left", {double(left)}}});
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(left + right); row++) {
      const size_t lane = static_cast<size_t>(row % v.lanes);
      const uint32_t frame = uint32_t(v.now.start[lane] + row / v.lanes - left);
      const uint32_t sequence = uint32_t(v.now.sequence[lane]);
      for (int64_t u = 0; u < units; u++) {
        const Counter random = philox({{v.epoch, sequence, frame, uint32_t(u / 4)}}, v.seed, 9);
        const double scale = random.v[u % 4] < p * 4294967296.0 ? 0 : 1 / (1 - p);
        const size_t at = static_cast<size_t>(row * units + u);
        v[y][at] = v[x][at] * scale;
        v[dx][at] = v[dy][at] * scale;
      }
    }
  };
  verify(c);
}

// ---- dimension fusion ----

struct FusionShape {
  int64_t lanes, chunk, context, streams, outputs;
  bool attentive, bias, masked;
};

void fusion(const FusionShape& s) {
  Case c;
  c.name =
      label("dimension_fusion", {s.lanes, s.chunk, s.context, s.streams, s.outputs, s.attentive, s.bias, s.masked});
  c.lanes = s.lanes;
  c.chunk = s.chunk;
  c.replicas = s.chunk > 100 ? 1 : 2;
  c.usual_schedule();
  const int64_t context = c.input({s.chunk, s.lanes, s.context});
  const int64_t weight = c.input({s.outputs, s.context, s.streams}), bias = c.input({s.outputs, s.streams});
  std::vector<int64_t> y, valid, dy;
  for (int64_t i = 0; i < s.streams; i++) {
    y.push_back(c.input({s.chunk, s.lanes, s.outputs}));
    valid.push_back(c.mask({s.chunk, s.lanes}, false, 0.5));
    dy.push_back(i == 1 ? -1 : c.output({s.chunk, s.lanes, s.outputs}));
  }
  const int64_t z = c.output({s.chunk, s.lanes, s.outputs}), dz = c.input({s.chunk, s.lanes, s.outputs});
  const int64_t attention = c.output({s.chunk, s.lanes, s.outputs, s.streams});
  const int64_t dcontext = c.output({s.chunk, s.lanes, s.context});
  const int64_t dweight = c.output({s.outputs, s.context, s.streams}), dbias = c.output({s.outputs, s.streams});

  std::vector<int64_t> inputs = {s.attentive ? context : -1, s.attentive ? weight : -1, s.bias ? bias : -1};
  inputs.insert(inputs.end(), y.begin(), y.end());
  std::vector<int64_t> back = {s.attentive ? context : -1, s.attentive ? weight : -1};
  back.insert(back.end(), y.begin(), y.end());
  back.insert(back.end(), {attention, dz});
  if (s.masked) {
    inputs.insert(inputs.end(), valid.begin(), valid.end());
    back.insert(back.end(), valid.begin(), valid.end());
  }
  std::vector<int64_t> gradients = {s.attentive ? dcontext : -1, s.attentive ? dweight : -1, s.bias ? dbias : -1};
  gradients.insert(gradients.end(), dy.begin(), dy.end());
  c.call("dimension_fusion", inputs, {z, attention}, {{"streams", {double(s.streams)}}});
  c.call("dimension_fusion_backward", back, gradients, {{"streams", {double(s.streams)}}});
  c.atol = 1e-5;

  const auto present = [=](World& v, int64_t row, int64_t i) {
    return !s.masked || v[valid[size_t(i)]][size_t(row)] != 0;
  };
  // z and attention of row and output; returns z.
  const auto fuse = [=](World& v, int64_t row, int64_t m, double* a) {
    double total = 0, mixture = 0;
    bool any = false;
    for (int64_t i = 0; i < s.streams; i++) any = any || present(v, row, i);
    for (int64_t i = 0; i < s.streams; i++) {
      double score = s.bias ? v[bias][size_t(m * s.streams + i)] : 0;
      for (int64_t k = 0; s.attentive && k < s.context; k++) {
        score += v[context][size_t(row * s.context + k)] * v[weight][size_t((m * s.context + k) * s.streams + i)];
      }
      a[i] = !any ? 1 : present(v, row, i) ? std::exp(score) : 0;
      total += a[i];
    }
    for (int64_t i = 0; i < s.streams; i++) {
      a[i] /= total;
      mixture += a[i] * v[y[size_t(i)]][size_t(row * s.outputs + m)];
    }
    return mixture;
  };
  const auto row_loss = [=](World& v, int64_t row) {
    double loss = 0;
    std::vector<double> a(size_t(s.streams));
    for (int64_t m = 0; v.valid(row) && m < s.outputs; m++) {
      loss += v[dz][size_t(row * s.outputs + m)] * fuse(v, row, m, a.data());
    }
    return loss;
  };
  const auto loss = [=](World& v) {
    double sum = 0;
    for (int64_t row = 0; row < v.rows(); row++) sum += row_loss(v, row);
    return sum;
  };
  // Central differences by the values of one row of x.
  const auto row_gradient = [=](World& v, int64_t x, int64_t row, int64_t width, Values& out) {
    Values part(v[x].begin() + row * width, v[x].begin() + (row + 1) * width);
    const Values kept = part;
    const Values g = gradient(part, [&] {
      std::copy(part.begin(), part.end(), v[x].begin() + row * width);
      return row_loss(v, row);
    });
    std::copy(kept.begin(), kept.end(), v[x].begin() + row * width);
    std::copy(g.begin(), g.end(), out.begin() + row * width);
  };
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(); row++) {
      for (int64_t m = 0; m < s.outputs; m++) {
        double* a = &v[attention][size_t((row * s.outputs + m) * s.streams)];
        v[z][size_t(row * s.outputs + m)] = fuse(v, row, m, a);
        if (!v.valid(row)) {
          v[z][size_t(row * s.outputs + m)] = 0;
          std::fill(a, a + s.streams, 0);
        }
      }
      if (s.attentive) row_gradient(v, context, row, s.context, v[dcontext]);
      for (int64_t i = 0; i < s.streams; i++) {
        if (dy[size_t(i)] >= 0) row_gradient(v, y[size_t(i)], row, s.outputs, v[dy[size_t(i)]]);
      }
    }
    if (s.attentive) v[dweight] = gradient(v[weight], [&] { return loss(v); });
    if (s.bias) v[dbias] = gradient(v[bias], [&] { return loss(v); });
  };
  verify(c);
}

// ---- stream mix ----

void mix(int64_t streams, int64_t outputs, bool per_output, bool bias) {
  Case c;
  c.name = label("stream_mix", {streams, outputs, per_output, bias});
  c.chunk = 37;
  c.usual_schedule();
  std::vector<int64_t> shape = {streams};
  if (per_output) shape = {outputs, streams};
  const int64_t weight = c.input(shape), b = c.input({outputs});
  const int64_t dweight = c.output(shape), db = c.output({outputs});
  const int64_t z = c.output({c.chunk, c.lanes, outputs}), dz = c.input({c.chunk, c.lanes, outputs});
  std::vector<int64_t> y, dy;
  for (int64_t i = 0; i < streams; i++) {
    y.push_back(c.input({c.chunk, c.lanes, outputs}, i != 1));
    dy.push_back(i == 1 ? -1 : c.output({c.chunk, c.lanes, outputs}));
  }
  std::vector<int64_t> inputs = {weight, bias ? b : -1}, back = {weight}, gradients = {dweight, bias ? db : -1};
  inputs.insert(inputs.end(), y.begin(), y.end());
  back.insert(back.end(), y.begin(), y.end());
  back.push_back(dz);
  gradients.insert(gradients.end(), dy.begin(), dy.end());
  c.call("stream_mix", inputs, {z});
  c.call("stream_mix_backward", back, gradients);
  c.reference = [=](World& v) {
    std::fill(v[dweight].begin(), v[dweight].end(), 0);
    if (bias) std::fill(v[db].begin(), v[db].end(), 0);
    for (int64_t row = 0; row < v.rows(); row++) {
      for (int64_t m = 0; m < outputs; m++) {
        const size_t at = size_t(row * outputs + m);
        const double up = v.valid(row) ? v[dz][at] : 0;
        double sum = bias ? v[b][size_t(m)] : 0;
        for (int64_t i = 0; i < streams; i++) {
          const size_t w = size_t(per_output ? m * streams + i : i);
          sum += v[weight][w] * v[y[size_t(i)]][at];
          v[dweight][w] += up * v[y[size_t(i)]][at];
          if (dy[size_t(i)] >= 0) v[dy[size_t(i)]][at] = up * v[weight][w];
        }
        if (bias) v[db][size_t(m)] += up;
        v[z][at] = v.valid(row) ? sum : 0;
      }
    }
  };
  verify(c);
}

// ---- losses ----

int64_t targets(Case& c, int64_t outputs, double missing) {
  return c.add(Type::f32, false, {c.chunk, c.lanes, outputs},
               [&c, missing] { return c.draw() < 2 * missing - 1 ? kNan : c.draw(); });
}

void mse(int64_t lanes, int64_t chunk, int64_t outputs, double missing) {
  Case c;
  c.name = label("mse", {lanes, chunk, outputs, int64_t(100 * missing)});
  c.lanes = lanes;
  c.chunk = chunk;
  c.usual_schedule();
  const int64_t y = c.input({chunk, lanes, outputs}), target = targets(c, outputs, missing);
  const int64_t sums = c.output({2}, Type::f64), totals = c.output({2}, Type::f64);
  const int64_t dy = c.output({chunk, lanes, outputs});
  c.call("mse", {y, target}, {sums, totals});
  c.call("mse_backward", {y, target, sums}, {dy}, {{"weight", {0.75}}});
  c.reference = [=](World& v) {
    double errors = 0, count = 0;
    const auto labelled = [&](int64_t row, size_t at) { return v.valid(row) && !std::isnan(v[target][at]); };
    for (int64_t at = 0; at < v.rows() * outputs; at++) {
      if (!labelled(at / outputs, size_t(at))) continue;
      errors += std::pow(v[y][size_t(at)] - v[target][size_t(at)], 2);
      count += 1;
    }
    v[sums] = {errors, count};
    v[totals] = {v[totals][0] + errors, v[totals][1] + count};
    for (int64_t at = 0; at < v.rows() * outputs; at++) {
      v[dy][size_t(at)] =
          labelled(at / outputs, size_t(at)) ? 0.75 * 2 * (v[y][size_t(at)] - v[target][size_t(at)]) / count : 0;
    }
  };
  verify(c);
}

// Target 1 is constant throughout; target 0 in lane 0.
void ccc(int64_t lanes, int64_t chunk, int64_t outputs, bool by_lane) {
  Case c;
  c.name = label("ccc", {lanes, chunk, outputs, by_lane});
  c.lanes = lanes;
  c.chunk = chunk;
  c.replicas = 2;
  c.usual_schedule();
  const int64_t y = c.input({chunk, lanes, outputs}), target = targets(c, outputs, 0.2);
  Values& gold = c.buffers[size_t(target)].values[0];
  for (size_t i = 0; i < gold.size(); i++) {
    const bool constant = i % size_t(outputs) == 1 || (by_lane && i % size_t(outputs * lanes) == 0);
    if (constant && !std::isnan(gold[i])) gold[i] = 0.25;
  }
  const int64_t groups = by_lane ? lanes : 1;
  const int64_t sums = c.output({2}, Type::f64), totals = c.output({3}, Type::f64);
  const int64_t statistics = c.output({groups * outputs, 8}, Type::f64), dy = c.output({chunk, lanes, outputs});
  c.call("ccc", {y, target}, {sums, totals, statistics}, {{"scope", {double(by_lane)}}});
  c.call("ccc_backward", {y, target, sums, statistics}, {dy}, {{"scope", {double(by_lane)}}, {"weight", {2}}});
  c.atol = 1e-6;
  c.reference = [=](World& v) {
    const auto term = [&](int64_t group, int64_t m, double* s) {
      std::vector<double> a, b;
      for (int64_t row = 0; row < v.rows(); row++) {
        const size_t at = size_t(row * outputs + m);
        if (!v.valid(row) || std::isnan(v[target][at]) || (by_lane && row % lanes != group)) continue;
        a.push_back(v[y][at]);
        b.push_back(v[target][at]);
      }
      const double n = double(a.size());
      double ma = 0, mb = 0, va = 0, vb = 0, cov = 0;
      for (size_t i = 0; i < a.size(); i++) ma += a[i] / n, mb += b[i] / n;
      for (size_t i = 0; i < a.size(); i++) {
        va += (a[i] - ma) * (a[i] - ma) / n;
        vb += (b[i] - mb) * (b[i] - mb) / n;
        cov += (a[i] - ma) * (b[i] - mb) / n;
      }
      const bool used = n >= 2 && *std::max_element(b.begin(), b.end()) > *std::min_element(b.begin(), b.end());
      const double values[8] = {
          n, ma, mb, va, vb, cov, used ? 2 * cov / (va + vb + (ma - mb) * (ma - mb)) : 0.0, used ? 1.0 : 0.0};
      std::copy(values, values + 8, s);
    };
    double loss = 0, used = 0, left_out = 0;
    for (int64_t t = 0; t < groups * outputs; t++) {
      double* s = &v[statistics][size_t(8 * t)];
      term(t / outputs, t % outputs, s);
      if (s[7] != 0)
        loss += 1 - s[6], used += 1;
      else
        left_out += s[0] > 0;
    }
    v[sums] = {loss, used};
    v[totals] = {v[totals][0] + loss, v[totals][1] + used, v[totals][2] + left_out};
    if (v.rows() == 0) return;
    const Values g = gradient(v[y], [&] {
      double sum = 0, s[8];
      for (int64_t t = 0; t < groups * outputs; t++) {
        term(t / outputs, t % outputs, s);
        if (s[7] != 0) sum += 1 - s[6];
      }
      return used > 0 ? 2 * sum / used : 0;
    });
    std::copy(g.begin(), g.begin() + v.rows() * outputs, v[dy].begin());
  };
  verify(c);
}

// ---- adam, clip ----

void adam(bool bypass) {
  Case c;
  c.name = label("adam", {bypass});
  c.chunk = 1;
  c.lanes = 1;
  c.lengths = {5};
  for (int64_t i = 0; i < 5; i++) c.row(0, i, 1);
  c.rates = {0.01f, 0.1f, 0.003f};
  c.bypass = bypass;
  const std::vector<std::vector<double>> segments = {{0, 3, 0}, {3, 1, 1}, {8, 5000, 0}, {5016, 7, 1}};
  const int64_t size = 5030;
  std::vector<double> flat;
  for (const auto& s : segments) flat.insert(flat.end(), s.begin(), s.end());
  const int64_t g = c.input({size}), p = c.input({size});
  const int64_t m = c.input({size}, true, 0.1);
  const int64_t second = c.add(Type::f32, true, {size}, [&] { return std::abs(c.draw()); });
  int64_t step = 0;
  const int64_t steps = c.add(Type::i32, true, {4}, [&] { return step++ % 4 == 2 ? 1000 : 0; });
  int64_t entry = 0;  // replica 1 has no labelled frame
  const int64_t gate = c.add(Type::f64, true, {2}, [&] { return entry++ == 3 ? 0 : 5; });
  c.call("adam", {g, gate}, {p, m, second, steps},
         {{"beta1", {0.9}}, {"beta2", {0.999}}, {"epsilon", {1e-8}}, {"segments", flat}});
  c.reference = [=](World& v) {
    if (v[gate][1] == 0) return;
    for (size_t k = 0; k < segments.size(); k++) {
      if (segments[k][2] != 0 && bypass) continue;
      const double t = ++v[steps][k];
      for (size_t i = size_t(segments[k][0]); i < size_t(segments[k][0] + segments[k][1]); i++) {
        v[m][i] = 0.9 * v[m][i] + 0.1 * v[g][i];
        v[second][i] = 0.999 * v[second][i] + 0.001 * v[g][i] * v[g][i];
        const double mean = v[m][i] / (1 - std::pow(0.9, t)), square = v[second][i] / (1 - std::pow(0.999, t));
        v[p][i] -= v.rate * mean / (std::sqrt(square) + 1e-8);
      }
    }
  };
  verify(c);
}

void clip(int64_t size, double norm) {
  Case c;
  c.name = label("clip", {size, int64_t(1000 * norm)});
  c.chunk = c.lanes = 1;
  c.lengths = {1};
  c.row(0, 0, 1);
  const int64_t g = c.input({size}), total = c.output({1}, Type::f64);
  c.call("clip", {g}, {g, total}, {{"norm", {norm}}});
  c.reference = [=](World& v) {
    double sum = 0;
    for (double x : v[g]) sum += x * x;
    v[total][0] = std::sqrt(sum);
    for (double& x : v[g]) x *= std::min(1.0, norm / (v[total][0] + 1e-6));
  };
  verify(c);
}

// ---- the elementwise set ----

struct Function {
  const char* name;
  double (*value)(double);
  double (*slope)(double y);
};

const Function kFunctions[] = {
    {"exp", [](double x) { return std::exp(x); }, [](double y) { return y; }},
    {"tanh", [](double x) { return std::tanh(x); }, [](double y) { return 1 - y * y; }},
    {"sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, [](double y) { return y * (1 - y); }},
    {"relu", [](double x) { return std::max(x, 0.); }, [](double y) { return y > 0 ? 1. : 0.; }},
};

// On activations only rows in use are touched, on any other tensor all.
void function(const Function& f, std::vector<int64_t> shape) {
  Case c;
  c.name = label(f.name, {int64_t(shape.size()), shape.back()});
  c.chunk = 40;
  c.usual_schedule();
  const bool frames = shape.size() == 3;
  const int64_t x = c.input(shape, true, 5), y = c.output(shape);
  const int64_t dy = c.add(Type::f32, true, shape, [&] { return c.draw() < 0 ? 0 : c.draw(); }), dx = c.output(shape);
  c.call(f.name, {x}, {y});
  c.call(std::string(f.name) + "_backward", {y, dy}, {dx});
  c.reference = [=](World& v) {
    const int64_t halo = frames ? shape[0] - v.chunk : 0;
    const size_t count = frames ? size_t(v.rows(halo) * shape[2]) : v[x].size();
    for (size_t i = 0; i < count; i++) {
      v[y][i] = f.value(v[x][i]);
      v[dx][i] = v[dy][i] * f.slope(v[y][i]);
    }
  };
  verify(c);
}

void softmax(int64_t width, double scale) {
  Case c;
  c.name = label("softmax", {width, int64_t(scale)});
  c.chunk = 40;
  c.replicas = 2;
  c.usual_schedule();
  const std::vector<int64_t> shape = {c.chunk, c.lanes, width};
  const int64_t x = c.input(shape, true, scale), y = c.output(shape), dy = c.input(shape), dx = c.output(shape);
  c.call("softmax", {x}, {y});
  c.call("softmax_backward", {y, dy}, {dx});
  c.reference = [=](World& v) {
    for (int64_t row = 0; row < v.rows(); row++) {
      const auto at = [&](int64_t buffer) { return v[buffer].begin() + row * width; };
      double total = 0, mean = 0;
      const double largest = *std::max_element(at(x), at(x) + width);
      for (int64_t i = 0; i < width; i++) total += std::exp(at(x)[i] - largest);
      for (int64_t i = 0; i < width; i++) {
        at(y)[i] = std::exp(at(x)[i] - largest) / total;
        mean += at(y)[i] * at(dy)[i];
      }
      for (int64_t i = 0; i < width; i++) at(dx)[i] = at(y)[i] * (at(dy)[i] - mean);
    }
  };
  verify(c);
}

// ---- layer_norm, self_attention ----

void layer_norm(int64_t chunk, int64_t halo, int64_t width, double scale) {
  Case c;
  c.name = label("layer_norm", {chunk, halo, width});
  c.chunk = chunk;
  c.replicas = chunk > 100 ? 1 : 3;
  c.usual_schedule();
  const std::vector<int64_t> shape = {chunk + halo, c.lanes, width};
  const int64_t x = c.input(shape, true, scale), w = c.input({width}), b = c.input({width}), y = c.output(shape);
  const int64_t dy = c.input(shape), dx = c.output(shape), dw = c.output({width}), db = c.output({width});
  c.call("layer_norm", {x, w, b}, {y});
  c.call("layer_norm_backward", {x, w, dy}, {dx, dw, db});
  c.atol = 1e-5 * std::max(std::sqrt(static_cast<double>(chunk)), 1 / scale);
  c.reference = [=](World& v) {
    std::fill(v[dw].begin(), v[dw].end(), 0);
    std::fill(v[db].begin(), v[db].end(), 0);
    for (int64_t row = 0; row < v.rows(halo); row++) {
      const auto at = [&](int64_t buffer) { return v[buffer].begin() + row * width; };
      double mean = 0, variance = 0, along = 0, across = 0;
      for (int64_t i = 0; i < width; i++) mean += at(x)[i] / double(width);
      for (int64_t i = 0; i < width; i++) variance += std::pow(at(x)[i] - mean, 2) / double(width);
      const double factor = 1 / std::sqrt(variance + 1e-5);
      for (int64_t i = 0; i < width; i++) {
        const double unit = (at(x)[i] - mean) * factor, slope = at(dy)[i] * v[w][size_t(i)];
        at(y)[i] = unit * v[w][size_t(i)] + v[b][size_t(i)];
        v[dw][size_t(i)] += at(dy)[i] * unit;
        v[db][size_t(i)] += at(dy)[i];
        along += slope / double(width);
        across += slope * unit / double(width);
      }
      for (int64_t i = 0; i < width; i++) {
        const double unit = (at(x)[i] - mean) * factor;
        at(dx)[i] = factor * (at(dy)[i] * v[w][size_t(i)] - along - unit * across);
      }
    }
  };
  verify(c);
}

// `present`: the share of frames that are not missing; 1: no mask is given.
void self_attention(int64_t lanes, int64_t chunk, int64_t heads, int64_t size, double present) {
  Case c;
  c.name = label("self_attention", {lanes, chunk, heads, size, int64_t(100 * present)});
  c.lanes = lanes;
  c.chunk = chunk;
  c.replicas = chunk > 100 ? 1 : 2;
  c.usual_schedule();
  const int64_t width = heads * size;
  const int64_t x = c.input({chunk, lanes, 3 * width}), valid = c.mask({chunk, lanes}, false, present);
  const int64_t y = c.output({chunk, lanes, width}), statistics = c.output({chunk, lanes, heads, 2});
  const int64_t dy = c.input({chunk, lanes, width}), dx = c.output({chunk, lanes, 3 * width});
  const int64_t mask = present < 1 ? valid : -1;
  c.call("self_attention", {x, mask}, {y, statistics}, {{"heads", {double(heads)}}});
  c.call("self_attention_backward", {x, mask, y, statistics, dy}, {dx}, {{"heads", {double(heads)}}});
  c.atol = 1e-5;
  c.reference = [=](World& v) {
    std::fill_n(v[dx].begin(), v.rows() * 3 * width, 0);
    std::fill_n(v[y].begin(), v.rows() * width, 0);
    std::fill_n(v[statistics].begin(), v.rows() * heads * 2, 0);
    for (int64_t row = 0; row < v.rows(); row++) {
      if (!v.valid(row)) continue;
      for (int64_t head = 0; head < heads; head++) {
        // q, k and v of a row, in x and in dx.
        const auto part = [&](int64_t buffer, int64_t of, int64_t which) {
          return v[buffer].begin() + (of * 3 + which) * width + head * size;
        };
        const auto out = v[y].begin() + row * width + head * size, up = v[dy].begin() + row * width + head * size;
        std::vector<std::pair<int64_t, double>> weights;
        double largest = -HUGE_VAL, total = 0, mean = 0;
        for (int64_t key = row % lanes; key < v.rows(); key += lanes) {
          if (!v.valid(key) || (mask >= 0 && v[mask][size_t(key)] == 0)) continue;
          double score = 0;
          for (int64_t i = 0; i < size; i++) score += part(x, row, 0)[i] * part(x, key, 1)[i];
          weights.emplace_back(key, score / std::sqrt(double(size)));
          largest = std::max(largest, weights.back().second);
        }
        if (weights.empty()) continue;
        for (auto& [key, weight] : weights) total += weight = std::exp(weight - largest);
        const auto about = v[statistics].begin() + (row * heads + head) * 2;
        about[0] = largest;
        about[1] = 1 / total;
        for (auto& [key, weight] : weights) {
          weight /= total;
          for (int64_t i = 0; i < size; i++) out[i] += weight * part(x, key, 2)[i];
        }
        for (int64_t i = 0; i < size; i++) mean += up[i] * out[i];
        for (const auto& [key, weight] : weights) {
          double slope = -mean;
          for (int64_t i = 0; i < size; i++) slope += up[i] * part(x, key, 2)[i];
          slope *= weight / std::sqrt(double(size));
          for (int64_t i = 0; i < size; i++) {
            part(dx, row, 0)[i] += slope * part(x, key, 1)[i];
            part(dx, key, 1)[i] += slope * part(x, row, 0)[i];
            part(dx, key, 2)[i] += weight * up[i];
          }
        }
      }
    }
  };
  verify(c);
}

void combine(const char* name, int64_t chunk, int64_t width, bool row) {
  Case c;
  c.name = label(name, {chunk, width, row});
  c.chunk = chunk;
  c.replicas = chunk > 100 ? 1 : 3;
  c.usual_schedule();
  const bool product = std::string(name) == "mul";
  const std::vector<int64_t> shape = {chunk + 1, c.lanes, width}, other = row ? std::vector<int64_t>{width} : shape;
  const int64_t a = c.input(shape), b = c.input(other), y = c.output(shape);
  const int64_t dy = c.input(shape), da = c.output(shape), db = c.output(other);
  c.call(name, {a, b}, {y});
  if (product)
    c.call("mul_backward", {a, b, dy}, {da, db});
  else
    c.call("add_backward", {dy}, {da, db});
  c.atol = 1e-6 * chunk;
  c.reference = [=](World& v) {
    if (row) std::fill(v[db].begin(), v[db].end(), 0);
    for (int64_t at = 0; at < v.rows(1) * width; at++) {
      const size_t i = size_t(at), j = size_t(row ? at % width : at);
      v[y][i] = product ? v[a][i] * v[b][j] : v[a][i] + v[b][j];
      v[da][i] = product ? v[dy][i] * v[b][j] : v[dy][i];
      const double here = product ? v[dy][i] * v[a][i] : v[dy][i];
      v[db][j] = row ? v[db][j] + here : here;
    }
  };
  verify(c);
}

void accumulate(std::vector<int64_t> shape, int64_t count) {
  Case c;
  c.name = label("accumulate", {int64_t(shape.size()), shape[0], count});
  c.usual_schedule();
  std::vector<int64_t> terms;
  for (int64_t i = 0; i < count; i++) terms.push_back(c.input(shape));
  const int64_t sum = c.output(shape), filled = c.output(shape, Type::f32, false);
  c.call("accumulate", terms, {sum});
  c.call("fill", {}, {filled}, {{"value", {-2.5}}});
  c.reference = [=](World& v) {
    for (size_t i = 0; i < v[sum].size(); i++) {
      v[sum][i] = 0;
      for (int64_t term : terms) v[sum][i] += v[term][i];
      v[filled][i] = -2.5;
    }
  };
  verify(c);
}

void reduce(const char* name, int64_t width) {
  Case c;
  c.name = label(name, {width});
  c.chunk = 50;
  c.usual_schedule();
  const std::vector<int64_t> shape = {c.chunk, c.lanes, width};
  const int64_t x = c.input(shape), y = c.output({1}), dy = c.input({1}), dx = c.output(shape);
  c.call(name, {x}, {y});
  c.call(std::string(name) + "_backward", {dy}, {dx});
  const bool mean = std::string(name) == "mean";
  c.reference = [=](World& v) {
    double sum = 0, count = 0;
    for (int64_t at = 0; at < v.rows() * width; at++) {
      if (v.valid(at / width)) sum += v[x][size_t(at)], count += 1;
    }
    v[y][0] = mean ? sum / count : sum;
    for (int64_t at = 0; at < v.rows() * width; at++) {
      v[dx][size_t(at)] = v.valid(at / width) ? v[dy][0] / (mean ? count : 1) : 0;
    }
  };
  verify(c);
}

// A gradient is 0 where dy is, even beside values that are not finite.
void zero_gradients_stay_zero() {
  for (const char* name : {"exp", "tanh", "sigmoid", "relu"}) {
    Case c;
    c.name = std::string(name) + " of non-finite padding";
    c.usual_schedule();
    const std::vector<int64_t> shape = {c.chunk, c.lanes, 3};
    const int64_t y = c.add(Type::f32, true, shape, [&] { return c.draw() < 0 ? kNan : HUGE_VAL; });
    const int64_t dy = c.add(Type::f32, true, shape, [] { return 0; }), dx = c.output(shape);
    c.call(std::string(name) + "_backward", {y, dy}, {dx});
    c.reference = [=](World& v) { std::fill_n(v[dx].begin(), v.rows() * 3, 0); };
    verify(c);
  }
}

// A stopped replica's memory does not change.
void stopped_replicas_stand_still() {
  Case c;
  c.name = "stopped replica";
  c.usual_schedule();
  c.active = {1, 0, 1};
  const int64_t x = c.input({c.chunk, c.lanes, 3}), w = c.input({2, 3}), y = c.output({c.chunk, c.lanes, 2});
  const int64_t target = targets(c, 2, 0), sums = c.output({2}, Type::f64), totals = c.output({2}, Type::f64);
  c.call("linear", {x, w, -1}, {y});
  c.call("mse", {y, target}, {sums, totals});
  c.reference = [=](World& v) {
    double errors = 0, count = 0;
    for (int64_t row = 0; row < v.rows(); row++) {
      for (int64_t o = 0; o < 2; o++) {
        double sum = 0;
        for (int64_t k = 0; k < 3; k++) sum += v[x][size_t(row * 3 + k)] * v[w][size_t(o * 3 + k)];
        v[y][size_t(row * 2 + o)] = sum;
        if (v.valid(row)) errors += std::pow(sum - v[target][size_t(row * 2 + o)], 2), count += 1;
      }
    }
    v[sums] = {errors, count};
    v[totals] = {v[totals][0] + errors, v[totals][1] + count};
  };
  verify(c);
}

// ---- refusals ----

// A wrong call is ERR_SHAPE, and the message names the argument.
void refuses(const char* says, const std::function<void(Case&)>& describe) {
  Case c;
  c.usual_schedule();
  describe(c);
  for (const std::string& place : places()) {
    std::string message = "nothing was thrown";
    try {
      run_case(c, place, 1, 0, c.replicas);
    } catch (const Error& error) {
      message = error.code + std::string(": ") + error.what();
    }
    CHECK(message.find("ERR_SHAPE") == 0 && message.find(says) != std::string::npos, "%s: '%s' does not say '%s'",
          place.c_str(), message.c_str(), says);
  }
}

void refusals() {
  refuses("linear: input 1 (weight)", [](Case& c) {
    c.call("linear", {c.input({5, 3, 4}), c.input({2, 3})}, {c.output({5, 3, 2})});
  });
  refuses("linear: input 2 (bias)", [](Case& c) {
    c.call("linear", {c.input({5, 3, 4}), c.input({2, 4}), c.input({3})}, {c.output({5, 3, 2})});
  });
  refuses("layer_norm: input 1 (weight)", [](Case& c) {
    c.call("layer_norm", {c.input({5, 3, 4}), c.input({3}), c.input({4})}, {c.output({5, 3, 4})});
  });
  refuses("self_attention: x needs", [](Case& c) {
    c.call("self_attention", {c.input({5, 3, 9}), -1}, {c.output({5, 3, 3}), c.output({5, 3, 2, 2})}, {{"heads", {2}}});
  });
  refuses("self_attention: a head", [](Case& c) {
    c.call("self_attention", {c.input({5, 3, 387}), -1}, {c.output({5, 3, 129}), c.output({5, 3, 1, 2})},
           {{"heads", {1}}});
  });
  refuses("self_attention: input 0 (x)", [](Case& c) {
    c.call("self_attention", {c.input({6, 3, 9}), -1}, {c.output({5, 3, 3}), c.output({5, 3, 1, 2})}, {{"heads", {1}}});
  });
  refuses("frames a chunk", [](Case& c) {
    c.call("linear", {c.input({4, 3, 4}), c.input({2, 4})}, {c.output({4, 3, 2})});
  });
  refuses("share", [](Case& c) {
    c.call("linear", {c.input({5, 3, 4}), c.input({2, 4})}, {c.output({5, 3, 2}, Type::f32, false)});
  });
  refuses("of its own", [](Case& c) {
    c.call("linear_backward", {c.input({5, 3, 4}, false), c.input({2, 4}, false), c.input({5, 3, 2}, false)},
           {-1, c.output({2, 4}, Type::f32, false), -1});
  });
  refuses("gather: output 0 (values)", [](Case& c) {
    const double column = double(c.column(2, false, [] { return 0; }));
    c.call("gather", {}, {c.output({5, 3, 2}, Type::f32, false)},
           {{"column", {column}}, {"left", {1}}, {"right", {0}}});
  });
  refuses("widths", [](Case& c) { c.call("concat", {c.input({5, 3, 2}), c.input({5, 3, 2})}, {c.output({5, 3, 5})}); });
  refuses("streams", [](Case& c) {
    c.call("dimension_fusion", {-1, -1, -1, c.input({5, 3, 2})}, {c.output({5, 3, 2}), c.output({5, 3, 2, 1})},
           {{"streams", {-5}}});
  });
  refuses("attention", [](Case& c) {
    c.call("dimension_fusion", {-1, -1, -1, c.input({5, 3, 2}), c.input({5, 3, 2})},
           {c.output({5, 3, 2}), c.output({5, 3, 2, 3})}, {{"streams", {2}}});
  });
  refuses("context and weight", [](Case& c) {
    c.call("dimension_fusion", {c.input({5, 3, 4}), -1, -1, c.input({5, 3, 2})},
           {c.output({5, 3, 2}), c.output({5, 3, 2, 1})}, {{"streams", {1}}});
  });
  refuses("mse: input 1 (target)", [](Case& c) {
    c.call("mse", {c.input({5, 3, 2}), c.input({5, 3, 1})}, {c.output({2}, Type::f64), c.output({2}, Type::f64)});
  });
  refuses("float64", [](Case& c) {
    c.call("mse", {c.input({5, 3, 2}), c.input({5, 3, 2})}, {c.output({2}), c.output({2}, Type::f64)});
  });
  refuses("segments", [](Case& c) {
    c.call("adam", {c.input({8}), c.output({2}, Type::f64)},
           {c.output({8}), c.output({8}), c.output({8}), c.output({1}, Type::i32)},
           {{"beta1", {0.9}}, {"beta2", {0.9}}, {"epsilon", {0}}, {"segments", {4, 5, 0}}});
  });
  refuses("p must lie", [](Case& c) {
    c.call("dropout", {c.input({5, 3, 2})}, {c.output({5, 3, 2})}, {{"p", {1.5}}, {"site", {0}}});
  });
  refuses("one buffer", [](Case& c) {
    c.call("clip", {c.input({8})}, {c.output({8}), c.output({1}, Type::f64)}, {{"norm", {1}}});
  });
}

void all() {
  for (int64_t f : {1, 3, 7, 16, 33, 300}) {
    for (int64_t o : {1, 2, 17}) linear(3, 35, f == 7 ? 4 : 0, f, o, o != 2, f == 3);
  }
  linear(1, 1, 0, 1, 1, true, false);
  linear(3, 2500, 0, 5, 3, true, false);  // four slabs
  for (int64_t f : {1, 2, 7, 33, 1100}) {
    for (int64_t o : {1, 19, 40}) linear(3, 35, f == 7 ? 4 : 0, f, o, o == 19, f == 2, true);
  }
  linear(3, 2500, 0, 5, 3, true, false, true);
  for (int64_t width : {1, 3, 7, 40}) {
    for (bool replicated : {false, true}) {
      gather(width, 0, 0, false, replicated);
      gather(width, 0, 0, true, replicated);
      gather(width, 6, 3, true, replicated);
      gather(width, 2, 0, false, replicated);
    }
    scatter(width, width == 3, {width});
  }
  scatter(6, false, {2, 3});
  concat({1}, 0, -1);
  concat({3, 7, 1, 40}, 2, -1);
  concat({3, 7, 1}, 0, 1);
  any_valid(1, 0, false);
  any_valid(3, 4, true);
  philox_known_answers();
  for (int64_t units : {1, 7, 32, 65, 128}) dropout(units, units == 7 ? 2 : 0, units == 7 ? 1 : 0, 0.2);
  dropout(9, 0, 0, 0);
  dropout(9, 0, 0, 0.999);
  dropout(9, 0, 0, 1);
  const FusionShape fusions[] = {
      {3, 5, 7, 3, 2, true, false, true},   {1, 1, 1, 1, 1, true, true, false},  {3, 40, 33, 2, 2, true, true, true},
      {3, 5, 3, 4, 7, true, false, false},  {3, 5, 1, 3, 2, false, true, true},  {3, 5, 1, 3, 1, false, false, true},
      {3, 5, 1, 2, 2, false, false, false}, {3, 700, 3, 2, 1, true, true, true},
  };
  for (const FusionShape& shape : fusions) fusion(shape);
  mix(3, 2, false, false);
  mix(2, 1, true, true);
  mix(1, 7, false, true);
  mse(3, 40, 2, 0.3);
  mse(1, 1, 1, 0);
  mse(3, 5, 1, 1);
  mse(1500, 2, 2, 0.3);  // more lanes than a block has threads
  for (bool by_lane : {false, true}) {
    ccc(3, 20, 2, by_lane);
    ccc(1, 1, 3, by_lane);
    ccc(4, 7, 3, by_lane);
    ccc(40, 3, 1, by_lane);  // more terms than a block has warps
  }
  adam(false);
  adam(true);
  for (int64_t size : {1, 17, 4096, 10001}) {
    clip(size, 0.5);
    clip(size, 1e6);
  }
  for (const Function& f : kFunctions) {
    for (int64_t width : {1, 3, 7, 33}) function(f, {42, 3, width});
    function(f, {5});
    function(f, {7, 19});
  }
  for (int64_t width : {1, 2, 7, 16, 45}) softmax(width, 3);
  softmax(9, 80);
  for (int64_t width : {1, 3, 7, 16, 33, 100}) layer_norm(30, width % 3, width, 1);
  layer_norm(30, 0, 2, 3e-3);
  layer_norm(900, 0, 5, 1);
  self_attention(1, 1, 1, 1, 1);
  self_attention(3, 5, 2, 3, 0.5);
  self_attention(2, 40, 3, 7, 1);
  self_attention(3, 50, 1, 33, 0.8);
  self_attention(2, 37, 1, 128, 0.2);
  self_attention(3, 20, 2, 4, 0);
  self_attention(1, 130, 2, 16, 0.9);
  for (const char* name : {"add", "mul"}) {
    for (int64_t width : {1, 7, 33}) {
      combine(name, 40, width, false);
      combine(name, 40, width, true);
    }
    combine(name, 900, 3, true);
  }
  accumulate({5, 3, 7}, 2);
  accumulate({9001}, 3);
  accumulate({2, 3}, 1);
  for (const char* name : {"sum", "mean"}) {
    reduce(name, 1);
    reduce(name, 7);
  }
  zero_gradients_stay_zero();
  stopped_replicas_stand_still();
  refusals();
}

}  // namespace
}  // namespace circumplex::test

int main() {
  circumplex::FlushDenormals flush;
  circumplex::test::all();
  circumplex::test::print_fingerprint();
  std::printf("%d failures\n", circumplex::test::failures);
  return circumplex::test::failures ? 1 : 0;
}
