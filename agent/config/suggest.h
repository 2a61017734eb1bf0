#pragma once

#include <span>
#include <string>
#include <string_view>

namespace keyrewind::config {

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to make one
/// word of the other. Capitals count as small letters.
std::size_t edit_distance(std::string_view from, std::string_view to);

/// The one of `words` that somebody who typed `typed` most likely meant; empty if none is near.
std::string_view nearest(std::string_view typed, std::span<const std::string_view> words);

/// "; did you mean 'address'?", or nothing.
std::string did_you_mean(std::string_view typed, std::span<const std::string_view> words);

/// `text` in single quotes as a part of one line of a message: cut if it is very long, anything
/// that does not print as "\x0a".
std::string in_quotes(std::string_view text);

}  // namespace keyrewind::config
