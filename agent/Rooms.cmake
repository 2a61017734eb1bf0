# A room is one folder under agent/ and one static library of the same name.
#
#   add_room(<name> [DEPS <room>...] [LIBS <imported target>...] [OWNS <include prefix>...])
#
# DEPS are the rooms it may include; OWNS are the third-party headers that only
# this room may include. check_rooms() adds the ctest "layering", which reads the
# #include lines and fails on any that the calls to add_room() do not allow.
function(add_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "DEPS;LIBS;OWNS")
  foreach(dep IN LISTS room_DEPS)
    if(NOT TARGET ${dep})
      message(FATAL_ERROR "Room ${name} uses ${dep}, which is not declared above it.")
    endif()
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cpp")
  add_library(${name} STATIC ${sources})
  add_library(keyrewind::${name} ALIAS ${name})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name} PUBLIC "${CMAKE_CURRENT_SOURCE_DIR}")
  # fmt and nlohmann-json speak in many rooms; agent_flags is for our own code only.
  target_link_libraries(${name} PUBLIC ${room_DEPS} fmt::fmt nlohmann_json::nlohmann_json
                        PRIVATE ${room_LIBS} agent_flags)
  set_property(GLOBAL APPEND PROPERTY rooms ${name})
  set_property(GLOBAL PROPERTY room_deps_${name} ${room_DEPS})
  set_property(GLOBAL PROPERTY room_owns_${name} ${room_OWNS})
endfunction()

function(check_rooms)
  get_property(rooms GLOBAL PROPERTY rooms)
  set(table "set(root \"${CMAKE_CURRENT_SOURCE_DIR}\")\nset(rooms ${rooms})\n")
  foreach(room IN LISTS rooms)
    get_property(deps GLOBAL PROPERTY room_deps_${room})
    get_property(owns GLOBAL PROPERTY room_owns_${room})
    string(APPEND table "set(deps_${room} ${deps})\nset(owns_${room} ${owns})\n")
  endforeach()
  file(WRITE "${CMAKE_BINARY_DIR}/rooms.cmake" "${table}")
  add_test(NAME layering COMMAND ${CMAKE_COMMAND} -DTABLE=${CMAKE_BINARY_DIR}/rooms.cmake
           -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/CheckLayering.cmake)
  set_tests_properties(layering PROPERTIES LABELS lint)
endfunction()
