#include "base/clock.h"
#include "cli/commands.h"
#include "cli/support_bundle.h"
#include "io/file.h"
#include "io/tar_writer.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <iostream>
#include <memory>
#include <string>

namespace keyrewind::cli {
namespace {

void run(std::string path, const Invocation& invocation) {
  const Timestamp now = SystemClock().now();
  const std::string folder = "keyrewind-support";
  if (path.empty()) {
    path = fmt::format("{}.tar", folder);
  }
  io::TarWriter tar(now);
  const auto tell = [&](const std::string& file) {
    if (!invocation.global.quiet) {
      std::cerr << fmt::format("{}\n", file);
    }
  };
  for (const auto& [name, content] :
       support_files(invocation.global.config_file, tell, invocation.stop)) {
    tar.add(fmt::format("{}/{}", folder, name), content);
  }
  const std::string archive = tar.finish();
  if (path == "-") {
    std::cout << archive;
    return;
  }
  io::AtomicFile file(path, Side::here, 0600);
  file.append(as_bytes(archive));
  file.commit(io::AtomicFile::IfExists::replace);
  std::cout << fmt::format(
      "{}: {} bytes; secrets are taken out, names of hosts and buckets are not\n", path,
      archive.size());
}

}  // namespace

void add_support_command(CLI::App& app, Invocation& invocation) {
  auto path = std::make_shared<std::string>();
  auto* command = app.add_subcommand(
      "support-bundle",
      "Gather what somebody who helps you wants to know into an archive, without secrets");
  command->add_option("-f,--file", *path,
                      "Where to write it (default: keyrewind-support.tar here); - is standard "
                      "output");
  command->callback([path, &invocation] { run(*path, invocation); });
}

}  // namespace keyrewind::cli
