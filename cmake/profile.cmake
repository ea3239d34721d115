# Optimised builds read what the query path did under load: cmake/query_path.profdata, made by
# `./dev profile` (ADR 0035). Functions that it does not know, or that have changed since, are compiled as
# without it. For Clang alone, whose format it is.
#
# howdah_profiled(TARGET): a module on the query path.
set(HOWDAH_PROFILE "" CACHE STRING "use: read the profile; generate: count, for a new one")

function(howdah_profiled target)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        return()
    endif()
    if(HOWDAH_PROFILE STREQUAL "generate")
        target_compile_options(${target} PRIVATE -fprofile-generate)
    elseif(HOWDAH_PROFILE STREQUAL "use")
        # Relative to the build folder, so that a compiler cache knows it in any other.
        set(profile ${CMAKE_SOURCE_DIR}/cmake/query_path.profdata)
        file(RELATIVE_PATH relative ${CMAKE_BINARY_DIR} ${profile})
        # A function that has changed is said by all three, and is no fault.
        target_compile_options(${target} PRIVATE -fprofile-use=${relative} -Wno-backend-plugin
                               -Wno-profile-instr-out-of-date -Wno-profile-instr-unprofiled)
        get_target_property(sources ${target} SOURCES)
        set_source_files_properties(${sources} PROPERTIES OBJECT_DEPENDS ${profile})
    endif()
endfunction()
