#pragma once
#include "operators/rows.h"

namespace circumplex {

struct ConcatPart {
  Tensor tensor;  // [T', B, width]; data = null: not wanted
  int64_t offset, width;
};

// Features side by side, y[frame] = (x_0[frame], x_1[frame], ...), or dy cut apart again.
struct ConcatCall {
  Rows rows;
  Tensor whole;  // [T', B, sum of widths]
  ConcatPart* parts;
  int64_t count;
};

ConcatCall read_concat(Plan& plan, const Call& call);
ConcatCall read_concat_backward(Plan& plan, const Call& call);

// A frame of a concatenation is there when any of its parts is.
struct AnyValidCall {
  Rows rows;
  Tensor result;  // [T', B], as each mask
  Tensor* masks;
  int64_t count;
};

AnyValidCall read_any_valid(Plan& plan, const Call& call);

}  // namespace circumplex
