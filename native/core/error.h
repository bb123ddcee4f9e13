#pragma once
#include <stdexcept>
#include <string>

namespace circumplex {

// An error with one of the stable codes of lib/errors.ts. Nothing below the addon throws anything else on purpose.
struct Error : std::runtime_error {
  Error(const char* error_code, const std::string& message) : std::runtime_error(message), code(error_code) {}
  const char* code;
};

}  // namespace circumplex
