# SPDX-License-Identifier: BSD-3-Clause
# One static library per line of LAYERS that has a folder, its unit tests beside the code,
# kernels compiled once per instruction set.

# cox_isa_objects(module): object libraries for src/<module>/*.isa.c, one per instruction set.
function(cox_isa_objects module out)
  file(GLOB kernels CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/*.isa.c
       ${PROJECT_SOURCE_DIR}/src/${module}/*/*.isa.c)
  set(objects "")
  if(kernels)
    foreach(isa IN LISTS COX_ISAS)
      set(lib cox_${module}_${isa})
      add_library(${lib} OBJECT ${kernels})
      target_link_libraries(${lib} PRIVATE cox_flags)
      target_compile_definitions(${lib} PRIVATE COX_ISA=${isa} COX_ISA_${isa}=1)
      # cox_flags comes after a target's own options and would switch FMA contraction off again
      set_target_properties(${lib} PROPERTIES COX_KERNELS ON)
      target_compile_options(${lib} PRIVATE ${COX_ISA_COMMON_FLAGS} ${COX_ISA_FLAGS_${isa}})
      list(APPEND objects $<TARGET_OBJECTS:${lib}>)
    endforeach()
  endif()
  set(${out} "${objects}" PARENT_SCOPE)
endfunction()

# Under the sanitizers HDF5 loads no plugins: blosc keeps blocks that then look like leaks of ours.
set(COX_TEST_ENVIRONMENT "OMP_WAIT_POLICY=passive")
if(COX_SANITIZE)
  list(APPEND COX_TEST_ENVIRONMENT "HDF5_PLUGIN_PRELOAD=::")
endif()
if(COX_SANITIZE MATCHES thread)
  list(APPEND COX_TEST_ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endif()

# Every test_*.c is one cmocka program, linked to its module and what that may use.
function(cox_module_tests module)
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/test_*.c
       ${PROJECT_SOURCE_DIR}/src/${module}/*/test_*.c)
  add_custom_target(tests_${module}) # all of one module's
  foreach(source IN LISTS tests)
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "" name ${name})
    set(program test_${module}_${name})
    add_executable(${program} ${source})
    add_dependencies(tests_${module} ${program})
    target_link_libraries(${program} PRIVATE cox_${module} PkgConfig::CMOCKA)
    target_compile_definitions(${program} PRIVATE COX_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${module}.${name} COMMAND ${program})
    set_tests_properties(${module}.${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 300 LABELS unit
      ENVIRONMENT "${COX_TEST_ENVIRONMENT}")
  endforeach()
endfunction()

function(cox_add_modules layers)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${layers})
  file(STRINGS ${layers} lines REGEX "^[a-z]")
  set(built "")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^([a-z0-9_]+): *(.*)$" _ "${line}")
    set(module ${CMAKE_MATCH_1})
    string(REGEX MATCHALL "[a-z0-9_]+" uses "${CMAKE_MATCH_2}")
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${module}/*.c
         ${PROJECT_SOURCE_DIR}/src/${module}/*/*.c)
    list(FILTER sources EXCLUDE REGEX "/test_[^/]*\\.c$|\\.isa\\.c$")
    if(NOT sources)
      continue() # a room not yet furnished
    endif()
    if(module STREQUAL cli)
      list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    endif()
    cox_isa_objects(${module} kernels)
    add_library(cox_${module} STATIC ${sources} ${kernels})
    target_link_libraries(cox_${module} PUBLIC cox_flags)
    target_link_libraries(cox_${module} PUBLIC ${COX_LINK_${module}})
    foreach(used IN LISTS uses)
      if(TARGET cox_${used})
        target_link_libraries(cox_${module} PUBLIC cox_${used})
      endif()
    endforeach()
    list(APPEND built ${module})
    if(COX_TESTS)
      cox_module_tests(${module})
    endif()
  endforeach()
  set(COX_MODULES "${built}" PARENT_SCOPE)
endfunction()

function(cox_add_program)
  add_executable(cox ${PROJECT_SOURCE_DIR}/src/cli/main.c)
  target_link_libraries(cox PRIVATE cox_cli)
endfunction()

# libcox.a holds every module but the command line; coxswain.pc tells how to link it.
function(cox_add_install)
  set(objects "")
  set(COX_PC_REQUIRES "jansson, sqlite3, hdf5-serial, yaml-0.1, libzmq, msgpack")
  foreach(module IN LISTS COX_MODULES)
    if(NOT module STREQUAL cli)
      list(APPEND objects $<TARGET_OBJECTS:cox_${module}>)
      foreach(isa IN LISTS COX_ISAS) # not among the module's own objects
        if(TARGET cox_${module}_${isa})
          list(APPEND objects $<TARGET_OBJECTS:cox_${module}_${isa}>)
        endif()
      endforeach()
    endif()
  endforeach()
  add_library(coxlib STATIC ${objects})
  set_target_properties(coxlib PROPERTIES OUTPUT_NAME cox LINKER_LANGUAGE C)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/coxswain.pc.in coxswain.pc @ONLY)
  install(TARGETS cox coxlib RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/cox DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/examples DESTINATION ${CMAKE_INSTALL_DATADIR}/coxswain)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/coxswain.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
