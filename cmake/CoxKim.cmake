# SPDX-License-Identifier: BSD-3-Clause
# The driver for the KIM API (LAMMPS's pair_style kim): two shared objects that `cox potential
# kim-install` copies. Left out where KIM's headers are not (libkim-api-dev), and under the
# sanitizers, whose runtime LAMMPS does not have.
function(cox_add_kim)
  # where an installed cox finds them, seen from the program's folder
  file(RELATIVE_PATH there ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR}/coxswain/kim)
  target_compile_definitions(cox_cli PRIVATE COX_KIM_FOLDER="${there}")
  target_link_libraries(cox_cli PRIVATE ${CMAKE_DL_LIBS})
  pkg_check_modules(KIM IMPORTED_TARGET libkim-api>=2.2)
  if(NOT KIM_FOUND OR COX_SANITIZE)
    message(STATUS "kim: no KIM API (libkim-api-dev) or sanitizers, its driver is left out")
    return()
  endif()
  set(base64 0) # how KIM wants parameter files inside a model's object
  if(KIM_VERSION VERSION_GREATER_EQUAL 2.4)
    set(base64 1)
  endif()
  set(folder ${PROJECT_SOURCE_DIR}/src/kim)
  add_library(cox_kim_driver MODULE ${folder}/collections.c ${folder}/driver.c
              ${folder}/driver_item.c ${folder}/gather.c ${folder}/settings.c)
  target_link_libraries(cox_kim_driver PRIVATE cox_potential)
  # one copy of everything inside, and nothing of it seen by the simulator's own libraries
  target_link_options(cox_kim_driver PRIVATE -Wl,--exclude-libs,ALL -Wl,-Bsymbolic)
  add_library(cox_kim_model MODULE ${folder}/model.c)
  target_compile_definitions(cox_kim_model PRIVATE COX_KIM_BASE64=${base64})
  foreach(object driver model)
    target_link_libraries(cox_kim_${object} PRIVATE cox_flags PkgConfig::KIM)
    set_target_properties(cox_kim_${object} PROPERTIES C_VISIBILITY_PRESET hidden
      LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/kim SKIP_BUILD_RPATH ON)
  endforeach()
  set_target_properties(cox_kim_driver PROPERTIES OUTPUT_NAME kim-api-model-driver)
  set_target_properties(cox_kim_model PROPERTIES OUTPUT_NAME kim-api-portable-model)
  install(TARGETS cox_kim_driver cox_kim_model
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/coxswain/kim)
endfunction()
