#pragma once

#include "catalog/json_object.h"
#include "catalog/manifest.h"

#include <string>

/// Parts of the JSON of commits and manifests that stand elsewhere, too.
namespace keyrewind::catalog {

nlohmann::ordered_json to_json(const StoredObject& object);

/// An object below the folder of `source`: whatever a document says, nothing else is ever opened.
StoredObject read_object(const JsonObject& in, const std::string& source);

/// All fields of a commit but the first two of a document.
void add_fields(nlohmann::ordered_json& document, const Commit& commit);
Commit read_commit_fields(const JsonObject& in);

}  // namespace keyrewind::catalog
