# What `cmake --install` puts where, and the Debian package that `cpack -G DEB` makes of it.

# Packing takes what is built; a test packs, and must not build.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(documents "${CMAKE_BINARY_DIR}/documents")

# Manual pages and completions are printed by the program itself.
function(add_document name)
  add_custom_command(OUTPUT "${documents}/${name}"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${documents}"
    COMMAND keyrewind ${ARGN} > "${documents}/${name}"
    DEPENDS keyrewind VERBATIM)
endfunction()

function(add_compressed name)
  add_custom_command(OUTPUT "${documents}/${name}.gz"
    COMMAND gzip -9 -n -c "${ARGV1}" > "${documents}/${name}.gz"
    DEPENDS "${ARGV1}" VERBATIM)
endfunction()

add_document(keyrewind.1 man keyrewind.1)
add_document(keyrewind.yaml.5 man keyrewind.yaml.5)
add_document(keyrewind.bash completion bash)
add_document(_keyrewind completion zsh)
add_document(keyrewind.fish completion fish)
add_document(config.v1.json config schema)
add_compressed(keyrewind.1 "${documents}/keyrewind.1")
add_compressed(keyrewind.yaml.5 "${documents}/keyrewind.yaml.5")
add_compressed(changelog "${PROJECT_SOURCE_DIR}/CHANGELOG.md")
add_custom_target(documents ALL DEPENDS
  "${documents}/keyrewind.1.gz" "${documents}/keyrewind.yaml.5.gz" "${documents}/changelog.gz"
  "${documents}/keyrewind.bash" "${documents}/_keyrewind" "${documents}/keyrewind.fish"
  "${documents}/config.v1.json")

install(TARGETS keyrewind DESTINATION bin)
install(FILES "${documents}/keyrewind.1.gz" DESTINATION share/man/man1)
install(FILES "${documents}/keyrewind.yaml.5.gz" DESTINATION share/man/man5)
install(FILES "${documents}/keyrewind.bash" DESTINATION share/bash-completion/completions RENAME keyrewind)
install(FILES "${documents}/_keyrewind" DESTINATION share/zsh/vendor-completions)
install(FILES "${documents}/keyrewind.fish" DESTINATION share/fish/vendor_completions.d)
install(FILES "${documents}/changelog.gz" "${PROJECT_SOURCE_DIR}/README.md" DESTINATION share/doc/keyrewind)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION share/doc/keyrewind RENAME copyright)
install(FILES "${PROJECT_SOURCE_DIR}/agent/catalog/FORMAT.md" "${PROJECT_SOURCE_DIR}/config/reference.yaml"
              "${documents}/config.v1.json"
        DESTINATION share/doc/keyrewind/examples)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/deploy/prometheus" "${PROJECT_SOURCE_DIR}/deploy/grafana"
        DESTINATION share/doc/keyrewind/examples)
install(FILES "${PROJECT_SOURCE_DIR}/deploy/systemd/keyrewind.service"
              "${PROJECT_SOURCE_DIR}/deploy/systemd/keyrewind@.service"
        DESTINATION lib/systemd/system)
install(FILES "${PROJECT_SOURCE_DIR}/deploy/systemd/keyrewind.sysusers" DESTINATION lib/sysusers.d
        RENAME keyrewind.conf)
install(FILES "${PROJECT_SOURCE_DIR}/deploy/systemd/keyrewind.tmpfiles" DESTINATION lib/tmpfiles.d
        RENAME keyrewind.conf)
install(FILES "${PROJECT_SOURCE_DIR}/deploy/debian/config.yaml" DESTINATION /etc/keyrewind
        PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PACKAGE_NAME keyrewind)
set(CPACK_PACKAGE_VENDOR Keyrewind)
set(CPACK_PACKAGE_CONTACT "The Keyrewind authors <packages@keyrewind.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "Keyrewind attaches to a server as a replica would, stores a consistent snapshot\n\
and then every write in a folder or a bucket, and brings any moment back as the\n\
data directory of a server.")
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles, ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "valkey-server | redis-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  "${PROJECT_SOURCE_DIR}/deploy/debian/conffiles" "${PROJECT_SOURCE_DIR}/deploy/debian/postinst"
  "${PROJECT_SOURCE_DIR}/deploy/debian/prerm" "${PROJECT_SOURCE_DIR}/deploy/debian/postrm")
include(CPack)
