# howdah_typescript_grammar: tree-sitter's parsers of TypeScript and TSX, as a static library.
#
# The grammar's C sources come with npm (tools/npm, ADR 0012): version 0.23.2, ABI 14, which
# libtree-sitter 0.20.7 reads. They are fetched once for each lock file into build/npm, from npm's
# cache where it has them, and stay there: with them in place nothing is asked of the network.
file(SHA256 ${CMAKE_SOURCE_DIR}/tools/npm/package-lock.json lock_hash)
string(SUBSTRING ${lock_hash} 0 12 lock_hash)
set(npm_folder ${CMAKE_SOURCE_DIR}/build/npm/${lock_hash})
set(grammar ${npm_folder}/node_modules/tree-sitter-typescript)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
             ${CMAKE_SOURCE_DIR}/tools/npm/package-lock.json)

if(NOT EXISTS ${grammar}/tsx/src/parser.c)
    find_program(npm_program npm REQUIRED)
    file(MAKE_DIRECTORY ${npm_folder})
    foreach(name IN ITEMS package.json package-lock.json .npmrc)
        configure_file(${CMAKE_SOURCE_DIR}/tools/npm/${name} ${npm_folder}/${name} COPYONLY)
    endforeach()
    message(STATUS "Fetching the grammar of TypeScript with npm")
    execute_process(
        COMMAND ${npm_program} ci --prefix ${npm_folder} --ignore-scripts --prefer-offline
                --omit=peer --no-audit --no-fund --loglevel=error
        WORKING_DIRECTORY ${npm_folder} RESULT_VARIABLE npm_result)
    if(NOT npm_result EQUAL 0 OR NOT EXISTS ${grammar}/tsx/src/parser.c)
        file(REMOVE_RECURSE ${npm_folder})
        message(FATAL_ERROR "npm could not fetch tree-sitter-typescript. Rerun: "
                            "npm ci --prefix tools/npm --ignore-scripts")
    endif()
endif()

add_library(howdah_typescript_grammar STATIC
    ${grammar}/typescript/src/parser.c ${grammar}/typescript/src/scanner.c
    ${grammar}/tsx/src/parser.c ${grammar}/tsx/src/scanner.c)
target_compile_options(howdah_typescript_grammar PRIVATE -w)
# Tables, not code: link-time optimisation only makes them slow to link.
set_target_properties(howdah_typescript_grammar PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
