#pragma once
// What lets an addon that is built with a recent GCC load beside the glibc 2.28 and libstdc++ 3.4.25 of older systems:
// symbols that new headers ask for, and old libraries lack. `npm run prebuilds` checks that there are no others.
#include <climits>
#include <version>

#if defined(__GLIBCXX__) && defined(__ELF__)
// The wait of GCC 4.4 to 11, which every libstdc++ still has; the new one differs in what a thread that is cancelled
// does.
__asm__(
    ".symver _ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE,"
    "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE@GLIBCXX_3.4.11");
#endif

// log and log2 got new versions in glibc 2.29, which differ in errno alone.
#if defined(__GLIBC__) && defined(__x86_64__)
__asm__(".symver log, log@GLIBC_2.2.5\n.symver log2, log2@GLIBC_2.2.5");
#elif defined(__GLIBC__) && defined(__aarch64__)
__asm__(".symver log, log@GLIBC_2.17\n.symver log2, log2@GLIBC_2.17");
#endif
