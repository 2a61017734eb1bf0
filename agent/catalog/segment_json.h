#pragma once

#include "catalog/json_object.h"
#include "catalog/segment.h"

#include <cstdint>
#include <string>
#include <vector>

/// What the JSON of segments and of log pages have in common.
namespace keyrewind::catalog {

std::int64_t read_offset(const JsonObject& in, const std::string& name);
Digest read_digest(const JsonObject& in, const std::string& name);
HistoryId read_history_id(const JsonObject& in);
nlohmann::ordered_json to_json(const HistoryId& id);

/// Reads each object of an array with `read`.
template <typename Item>
std::vector<Item> read_list(const JsonObject& in, const std::string& name,
                            Item (*read)(const JsonObject&)) {
  std::vector<Item> items;
  for (const JsonObject& item : in.objects(name)) {
    items.push_back(read(item));
  }
  return items;
}

}  // namespace keyrewind::catalog
