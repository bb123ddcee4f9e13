#include "cuda/rows.h"
#include "operators/concat.h"

namespace circumplex::cuda {
namespace {

struct Part {
  Array<float> values;  // null: not wanted
  int64_t offset, width;
};

struct Concat {
  RowGrid rows;
  Array<float> whole;
  Global<const Part> parts;
  int64_t count;
};

// A team a row; `kJoin`: parts to the whole, else the whole to the parts.
template <bool kJoin>
CIRCUMPLEX_KERNEL(kRowThreads)
concat(const CIRCUMPLEX_PARAMETER Concat c) {
  const int64_t replica = block_y(), width = c.rows.width, used = rows_in_use(c.rows);
  if (stopped(c.rows.chunk, c.rows.copies, replica)) return;
  for (int64_t row = first_row(c.rows); row < used; row += row_step(c.rows)) {
    for (int64_t p = 0; p < c.count; p++) {
      const Part part = c.parts[p];
      if (!part.values.data) continue;
      const Global<float> whole = c.whole.of(replica) + row * width + part.offset;
      const Global<float> here = part.values.of(replica) + row * part.width;
      for (int64_t i = team_rank(c.rows); i < part.width; i += team_size(c.rows)) {
        if constexpr (kJoin) {
          whole[i] = here[i];
        } else {
          here[i] = whole[i];
        }
      }
    }
  }
}

struct AnyValid {
  RowGrid rows;
  Array<uint8_t> result;
  Global<const Array<uint8_t>> masks;
  int64_t count;
};

// A thread a row.
CIRCUMPLEX_KERNEL(kRowThreads) any_valid(const CIRCUMPLEX_PARAMETER AnyValid a) {
  const int64_t replica = block_y(), used = rows_in_use(a.rows);
  if (stopped(a.rows.chunk, a.rows.copies, replica)) return;
  for (int64_t row = first_row(a.rows); row < used; row += row_step(a.rows)) {
    bool any = false;
    for (int64_t i = 0; i < a.count; i++) {
      const Array<uint8_t> mask = a.masks[i];
      any = any || mask.of(replica)[row] != 0;
    }
    a.result.of(replica)[row] = any;
  }
}

void launch(Plan& plan, const char* name, void (*kernel)(Concat), const ConcatCall& c) {
  Part* parts = plan.list<Part>(c.count);
  int64_t widest = 1;
  for (int64_t i = 0; i < c.count; i++) {
    const ConcatPart& part = c.parts[i];
    parts[i] = {array<float>(part.tensor), part.offset, part.width};
    widest = part.width > widest ? part.width : widest;
  }
  const RowGrid rows = row_grid(plan, c.rows, widest);
  plan.launch(kernel_of(name, kernel), grid_of(rows),
              Concat{rows, array<float>(c.whole), table(plan, parts, c.count), c.count});
  plan.kernel("copy");
}

}  // namespace

void plan_concat(Plan& plan, const Call& call) { launch(plan, "concat", &concat<true>, read_concat(plan, call)); }

void plan_concat_backward(Plan& plan, const Call& call) {
  launch(plan, "concat_backward", &concat<false>, read_concat_backward(plan, call));
}

void plan_any_valid(Plan& plan, const Call& call) {
  const AnyValidCall a = read_any_valid(plan, call);
  Array<uint8_t>* masks = plan.list<Array<uint8_t>>(a.count);
  for (int64_t i = 0; i < a.count; i++) masks[i] = array<uint8_t>(a.masks[i]);
  const RowGrid rows = row_grid(plan, a.rows, 1);
  plan.launch(kernel_of("any_valid", &any_valid), grid_of(rows),
              AnyValid{rows, array<uint8_t>(a.result), table(plan, masks, a.count), a.count});
  plan.kernel("bytes");
}

}  // namespace circumplex::cuda
