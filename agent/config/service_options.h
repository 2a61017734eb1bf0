#pragma once

#include "config/contradiction.h"
#include "config/options.h"

#include <array>
#include <string_view>
#include <vector>

namespace keyrewind::config {

/// What a webhook may be told of.
inline constexpr std::array<std::string_view, 6> kWebhookEvents{
    "backup_failed",  ///< A backup failed, or a full sync was refused.
    "gap",            ///< The log has one: a new lineage begins.
    "verify_failed",  ///< A backup is damaged, or did not load.
    "restored",       ///< A restore ended, whichever way.
    "lease_lost",     ///< Another agent works now.
    "unhealthy"};     ///< The agent's health went from good to bad, or back.

/// The options of how the agent is asked and whom it tells: the sections http and notify.
std::vector<Option> http_options();
std::vector<Option> notify_options();

/// The options of the webhook at `index` of notify.webhooks.
std::vector<Option> webhook_options(std::size_t index);

/// What introduces an entry of notify.webhooks.
inline constexpr std::string_view kWebhookDescription = "One of the webhooks.";

/// What contradicts itself in them.
std::vector<Contradiction> contradictions_of_services(const Config& config);

}  // namespace keyrewind::config
