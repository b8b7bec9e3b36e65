# SPDX-License-Identifier: BSD-3-Clause
# Third-party libraries. Each is linked by, and included in, one module.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
pkg_check_modules(HDF5 REQUIRED IMPORTED_TARGET hdf5-serial)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq)
pkg_check_modules(MSGPACK REQUIRED IMPORTED_TARGET msgpack)
if(COX_TESTS)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
endif()

set(COX_LINK_base m Threads::Threads PkgConfig::JANSSON)
set(COX_LINK_h5 PkgConfig::HDF5)
set(COX_LINK_config PkgConfig::YAML)
set(COX_LINK_store PkgConfig::SQLITE)
set(COX_LINK_stream PkgConfig::ZMQ PkgConfig::MSGPACK)
