# Tests under a sanitizer know what is not our fault, however ctest is called.
function(howdah_test_environment name)
    if(HOWDAH_SANITIZE)
        set(folder ${CMAKE_SOURCE_DIR}/tools/sanitizers)
        set(leaks LSAN_OPTIONS=suppressions=${folder}/lsan.txt:print_suppressions=0)
        set(races TSAN_OPTIONS=suppressions=${folder}/tsan.txt:second_deadlock_stack=1)
        set_tests_properties(${name} PROPERTIES ENVIRONMENT "${leaks};${races}")
    endif()
endfunction()

# A test program is linked for the sake of a short build: the objects were optimised when they were
# compiled, and are not once more across modules (a sixth of the time to link).
function(howdah_link_quickly target)
    if(CMAKE_INTERPROCEDURAL_OPTIMIZATION AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        target_link_options(${target} PRIVATE -Wl,--lto-O0 -Wl,--lto-CGO0)
    endif()
endfunction()

# howdah_module(NAME DEPS a b LIBS x y): one folder, one library, one test program.
#
#   *.cpp            -> library howdah_NAME
#   main.cpp         -> program howdah, at the root of the build folder
#   *_test.cpp       -> program test_NAME, run by ctest; needs nothing but itself
#   *_pgtest.cpp     -> program pgtest_NAME; needs PostgreSQL (run by ./dev test)
#   *_bench.cpp      -> program bench_NAME (Google Benchmark), built on demand
#
# DEPS are modules below this one; LIBS are outside libraries that only this module may see. PROFILED
# stands for a module that every query goes through.
function(howdah_module name)
    cmake_parse_arguments(arg "PROFILED" "" "DEPS;LIBS;PUBLIC_LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS *.cpp */*.cpp)
    set(tests ${sources})
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    set(pgtests ${sources})
    list(FILTER pgtests INCLUDE REGEX "_pgtest\\.cpp$")
    set(benches ${sources})
    list(FILTER benches INCLUDE REGEX "_bench\\.cpp$")
    set(mains ${sources})
    list(FILTER mains INCLUDE REGEX "/main\\.cpp$")
    list(FILTER sources EXCLUDE REGEX "(_(test|pgtest|bench)|/main)\\.cpp$")

    add_library(howdah_${name} STATIC ${sources})
    target_link_libraries(howdah_${name} PUBLIC howdah_flags fmt::fmt ${arg_PUBLIC_LIBS}
                          PRIVATE ${arg_LIBS})
    foreach(dep IN LISTS arg_DEPS)
        target_link_libraries(howdah_${name} PUBLIC howdah_${dep})
    endforeach()

    if(arg_PROFILED)
        howdah_profiled(howdah_${name})
    endif()
    if(mains)
        add_executable(howdah ${mains})
        target_link_libraries(howdah PRIVATE howdah_${name} ${arg_LIBS})
        set_target_properties(howdah PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
    endif()
    if(tests)
        add_executable(test_${name} ${tests})
        target_link_libraries(test_${name} PRIVATE howdah_${name} ${arg_LIBS} GTest::gtest_main)
        add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
        set_tests_properties(${name} PROPERTIES TIMEOUT 300)
        howdah_link_quickly(test_${name})
        howdah_test_environment(${name})
    endif()
    if(pgtests)
        add_executable(pgtest_${name} ${pgtests})
        target_link_libraries(pgtest_${name} PRIVATE howdah_${name} ${arg_LIBS} GTest::gtest_main)
        howdah_link_quickly(pgtest_${name})
    endif()
    if(benches)
        add_executable(bench_${name} EXCLUDE_FROM_ALL ${benches})
        target_link_libraries(bench_${name} PRIVATE howdah_${name} ${arg_LIBS}
                              benchmark::benchmark_main)
    endif()
endfunction()
