#include "core/old_libraries.h"

#include <new>

#if defined(__GLIBCXX__) && defined(__ELF__)

// Hidden, as all that is not exported: the addon's own, which no other library sees.
extern "C" {
char __libc_single_threaded = 0;  // shared_ptr counts with atomic operations where this is 0, which is always right
}

namespace std {
void __throw_bad_array_new_length() { throw bad_array_new_length(); }
}  // namespace std

#endif
