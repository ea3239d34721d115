# precompiled.hpp, compiled once and read by every C++ file of ours.
#
# Not target_precompile_headers(): it compiles the header for each of the modules, and names it by
# absolute paths that no compiler cache takes for the same in another folder. Here the path is relative
# to the build folder, where Ninja runs everything, and precompiled.pch.sum says to ccache what is in it.
# For Clang; a fuzzer's own file is compiled with other options.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR NOT CMAKE_GENERATOR STREQUAL "Ninja" OR HOWDAH_FUZZ)
    return()
endif()

set(header ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp)
add_library(howdah_precompiled OBJECT ${header})
set_source_files_properties(${header} PROPERTIES LANGUAGE CXX)
target_compile_options(howdah_precompiled PRIVATE "SHELL:-Xclang -emit-pch -x c++-header")
target_link_libraries(howdah_precompiled PRIVATE fmt::fmt)
# It knows its folder's name, so another folder's is of no use.
set_target_properties(howdah_precompiled PROPERTIES CXX_COMPILER_LAUNCHER "")

add_custom_command(
    OUTPUT precompiled.pch precompiled.pch.sum
    COMMAND ${CMAKE_COMMAND} -E copy $<TARGET_OBJECTS:howdah_precompiled> precompiled.pch
    COMMAND ${CMAKE_CXX_COMPILER} -std=c++${CMAKE_CXX_STANDARD} -E -P ${header} -o precompiled.txt
    COMMAND ${CMAKE_COMMAND} -E sha256sum precompiled.txt > precompiled.pch.sum
    DEPENDS howdah_precompiled $<TARGET_OBJECTS:howdah_precompiled> ${header}
    COMMENT "Precompiling what most files include" VERBATIM)
add_custom_target(precompiled DEPENDS precompiled.pch)
add_dependencies(howdah_flags precompiled)
target_compile_options(howdah_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -include-pch -Xclang precompiled.pch>")
