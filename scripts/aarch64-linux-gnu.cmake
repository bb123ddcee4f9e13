# A cross build for arm64 on Debian or Ubuntu: apt-get install g++-aarch64-linux-gnu qemu-user
#   CMAKE_TOOLCHAIN_FILE=scripts/aarch64-linux-gnu.cmake PREBUILD_ARCH=arm64 node scripts/build-native.cjs
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
