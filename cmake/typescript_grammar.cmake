# howdah_typescript_grammar: tree-sitter's parsers of TypeScript and TSX, as a static library.
#
# The grammar's C sources come with npm (tools/npm, ADR 0016): version 0.23.2, ABI 14, which
# libtree-sitter 0.20.7 reads. They are fetched once for each lock file into build/npm, from npm's
# cache where it has them, and stay there: with them in place nothing is asked of the network.
file(SHA256 ${CMAKE_SOURCE_DIR}/tools/npm/package-lock.json lock_hash)
string(SUBSTRING ${lock_hash} 0 12 lock_hash)
set(npm_folder ${CMAKE_SOURCE_DIR}/build/npm/${lock_hash})
set(grammar ${npm_folder}/node_modules/tree-sitter-typescript)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${CMAKE_SOURCE_DIR}/tools/npm/package-lock.json)

if(NOT EXISTS ${npm_folder}/complete)
    find_program(npm_program npm REQUIRED)
    file(REMOVE_RECURSE ${npm_folder})
    file(MAKE_DIRECTORY ${npm_folder})
    foreach(name IN ITEMS package.json package-lock.json .npmrc)
        configure_file(${CMAKE_SOURCE_DIR}/tools/npm/${name} ${npm_folder}/${name} COPYONLY)
    endforeach()
    message(STATUS "Fetching the grammar of TypeScript with npm")
    foreach(attempt RANGE 1 3)
        execute_process(
            COMMAND ${npm_program} ci --ignore-scripts --prefer-offline --no-audit --no-fund
                    --loglevel=error
            WORKING_DIRECTORY ${npm_folder} RESULT_VARIABLE npm_result
            OUTPUT_QUIET ERROR_VARIABLE npm_error)
        if(npm_result EQUAL 0 AND EXISTS ${grammar}/tsx/src/parser.c)
            break()
        endif()
    endforeach()
    if(NOT npm_result EQUAL 0 OR NOT EXISTS ${grammar}/tsx/src/parser.c)
        # Where packages come from is this machine's business; logs travel.
        string(REGEX REPLACE "[a-z]+://[^ \n]*" "(registry)" npm_error "${npm_error}")
        message(FATAL_ERROR "npm could not fetch tree-sitter-typescript (tools/npm):\n${npm_error}")
    endif()
    file(TOUCH ${npm_folder}/complete)
endif()

add_library(howdah_typescript_grammar STATIC
    ${grammar}/typescript/src/parser.c ${grammar}/typescript/src/scanner.c
    ${grammar}/tsx/src/parser.c ${grammar}/tsx/src/scanner.c)
target_compile_options(howdah_typescript_grammar PRIVATE -w)
# Tables, not code: link-time optimisation only makes them slow to link.
set_target_properties(howdah_typescript_grammar PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
