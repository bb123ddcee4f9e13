#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/mix.h"

namespace circumplex::cuda {
namespace {

struct Stream {
  Array<const float> y;
  Array<float> dy;  // null: not wanted
};

struct Mix {
  RowGrid rows;
  int64_t streams, outputs, row;
  Array<const float> weight, bias, dz;
  Array<float> z, dweight, dbias;
  Global<const Stream> stream;
};

// A team a row, a thread an output.
CIRCUMPLEX_KERNEL(kRowThreads) mix(const CIRCUMPLEX_PARAMETER Mix m) {
  const int64_t replica = block_y(), used = rows_in_use(m.rows);
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  const Global<const float> weight = m.weight.of(replica);
  for (int64_t row = first_row(m.rows); row < used; row += row_step(m.rows)) {
    const bool valid = valid_row(m.rows.chunk, row);
    for (int64_t o = team_rank(m.rows); o < m.outputs; o += team_size(m.rows)) {
      const int64_t at = row * m.outputs + o;
      float sum = 0;
      for (int64_t i = 0; i < m.streams; i++) {
        const Stream stream = m.stream[i];
        sum += weight[o * m.row + i] * stream.y.of(replica)[at];
      }
      if (m.bias.data) sum += m.bias.of(replica)[o];
      m.z.of(replica)[at] = valid ? sum : 0.f;
    }
  }
}

CIRCUMPLEX_DEVICE void unmix(const Mix& m, int64_t replica) {
  const int64_t used = rows_in_use(m.rows);
  const Global<const float> weight = m.weight.of(replica);
  for (int64_t row = first_row(m.rows); row < used; row += row_step(m.rows)) {
    const bool valid = valid_row(m.rows.chunk, row);
    for (int64_t o = team_rank(m.rows); o < m.outputs; o += team_size(m.rows)) {
      const int64_t at = row * m.outputs + o;
      float dz = 0;
      if (valid) dz = m.dz.of(replica)[at];
      for (int64_t i = 0; i < m.streams; i++) {
        const Stream stream = m.stream[i];
        if (stream.dy.data) stream.dy.of(replica)[at] = weight[o * m.row + i] * dz;
      }
    }
  }
}

// The block's sum over valid frames of dz y, or of dz alone, of one output.
CIRCUMPLEX_DEVICE double sum_rows(const Mix& m, int64_t replica, int64_t output, Global<const float> y) {
  const Global<const float> dz = m.dz.of(replica);
  double sum[1] = {0};
  each_valid_row(m.rows.chunk, thread(), threads(), [&](int64_t row) {
    const int64_t at = row * m.outputs + output;
    const double up = dz[at];
    sum[0] += y ? up * static_cast<double>(y[at]) : up;
  });
  block_sums(sum, shared<double>(0));
  return sum[0];
}

// Blocks of the rows, then one for each bias, then one for each weight.
CIRCUMPLEX_KERNEL(kRowThreads) mix_backward(const CIRCUMPLEX_PARAMETER Mix m) {
  const int64_t replica = block_y();
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  if (block_x() < m.rows.blocks) return unmix(m, replica);
  const int64_t output = block_x() - m.rows.blocks, weight = output - m.outputs;
  if (weight < 0) {
    if (!m.dbias.data) return;
    const double sum = sum_rows(m, replica, output, nullptr);
    if (thread() == 0) m.dbias.of(replica)[output] = static_cast<float>(sum);
    return;
  }
  if (!m.dweight.data) return;
  const Stream stream = m.stream[weight % m.streams];
  const int64_t first = m.row ? weight / m.streams : 0, last = m.row ? first + 1 : m.outputs;
  double sum = 0;
  for (int64_t o = first; o < last; o++) sum += sum_rows(m, replica, o, stream.y.of(replica));
  if (thread() == 0) m.dweight.of(replica)[weight] = static_cast<float>(sum);
}

Mix arguments_of(Plan& plan, const StreamMixCall& m) {
  Stream* streams = plan.list<Stream>(m.streams);
  for (int64_t i = 0; i < m.streams; i++) {
    streams[i].y = array<const float>(m.y[i]);
    if (m.dy) streams[i].dy = array<float>(m.dy[i]);
  }
  return {row_grid(plan, m.rows, m.outputs),
          m.streams,
          m.outputs,
          m.row,
          array<const float>(m.weight),
          array<const float>(m.bias),
          array<const float>(m.dz),
          array<float>(m.z),
          array<float>(m.dweight),
          array<float>(m.dbias),
          table(plan, streams, m.streams)};
}

}  // namespace

void plan_stream_mix(Plan& plan, const Call& call) {
  const Mix m = arguments_of(plan, read_stream_mix(plan, call));
  plan.launch(kernel_of("stream_mix", &mix), grid_of(m.rows), m);
  plan.kernel("rows");
}

void plan_stream_mix_backward(Plan& plan, const Call& call) {
  const StreamMixCall read = read_stream_mix_backward(plan, call);
  const Mix m = arguments_of(plan, read);
  Grid grid = grid_of(m.rows);
  grid.x += static_cast<int>(m.outputs + read.weight.size());
  grid.shared = reduce_bytes(grid.threads, 1);
  plan.launch(kernel_of("stream_mix_backward", &mix_backward), grid, m);
  plan.kernel("rows; float64 sums");
}

}  // namespace circumplex::cuda
