# The install tree: libraries, headers, and a CMake package.
#     find_package(weft 0.1 REQUIRED COMPONENTS http service)
#     target_link_libraries(program PRIVATE weft::http weft::service)
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(weft_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

get_property(weft_installed_modules GLOBAL PROPERTY WEFT_INSTALLED_MODULES)
foreach(module IN LISTS weft_installed_modules)
  install(TARGETS weft_${module} EXPORT weft-targets
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(DIRECTORY modules/${module}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
          FILES_MATCHING PATTERN *.hpp PATTERN *.ipp)
endforeach()
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION ${weft_package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/weft-config.cmake.in ${PROJECT_BINARY_DIR}/weft-config.cmake
                              INSTALL_DESTINATION ${weft_package_dir})
# Before 1.0 a minor version may change the interface.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weft-config-version.cmake COMPATIBILITY ${compatibility})
install(FILES ${PROJECT_BINARY_DIR}/weft-config.cmake ${PROJECT_BINARY_DIR}/weft-config-version.cmake
              ${CMAKE_CURRENT_LIST_DIR}/weft_dependencies.cmake
        DESTINATION ${weft_package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# What the headers refer to, in the places in which they refer to each other.
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
foreach(folder guides decisions)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/${folder} DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs
          FILES_MATCHING PATTERN *.md)
endforeach()
foreach(module IN LISTS weft_installed_modules)
  if(EXISTS ${PROJECT_SOURCE_DIR}/modules/${module}/README.md)
    install(FILES ${PROJECT_SOURCE_DIR}/modules/${module}/README.md
            DESTINATION ${CMAKE_INSTALL_DOCDIR}/modules/${module})
  endif()
endforeach()
