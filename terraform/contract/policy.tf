# The periods that drive a version's life. Maps are sorted by name here, and the tag is not: hence the lists of fields.
locals {
  unit_seconds = { s = 1, m = 60, h = 3600, d = 86400 }

  policy_fields = {
    sign = [
      "rotationPeriod", "announcePeriod", "retentionPeriod", "maxTokenLifetime", "signerMaxStale", "verifierMaxStale",
      "publishLag", "consumerCache", "jwksMaxAge", "clockSkew", "destroyAfter",
    ]
    encrypt = [
      "rotationPeriod", "announcePeriod", "signerMaxStale", "verifierMaxStale", "clockSkew", "destroyAfter",
    ]
  }

  policy_defaults = {
    sign = {
      rotationPeriod   = "90d"
      announcePeriod   = "24h"
      retentionPeriod  = "24h"
      maxTokenLifetime = "1h"
      signerMaxStale   = "1h"
      verifierMaxStale = "24h"
      publishLag       = "15m"
      consumerCache    = "1h"
      jwksMaxAge       = "5m"
      clockSkew        = "5m"
      destroyAfter     = "30d"
    }
    encrypt = {
      rotationPeriod   = "365d"
      announcePeriod   = "15m"
      signerMaxStale   = "1h"
      verifierMaxStale = "24h"
      clockSkew        = "5m"
      destroyAfter     = "never"
    }
  }

  # The longest time between two background refreshes of a keyring: 5 minutes plus 20 %.
  longest_refresh = 360

  policy_texts = { for id, key in local.keys : id => merge(local.policy_defaults[key.purpose], key.policy) }

  # Seconds of each field; null where it is no duration.
  policy_seconds = {
    for id, texts in local.policy_texts : id => {
      for field, text in texts : field => try(
        tonumber(regex("^(0|[1-9][0-9]{0,9})[smhd]$", text)[0]) * local.unit_seconds[regex("[smhd]$", text)],
        null,
      )
    }
  }

  # Each field in the largest unit that divides it; unchanged where it is no duration.
  policies = {
    for id, fields in local.policy_seconds : id => {
      for field, seconds in fields : field => try(
        seconds == 0 ? "0s" :
        seconds % 86400 == 0 ? "${seconds / 86400}d" :
        seconds % 3600 == 0 ? "${seconds / 3600}h" :
        seconds % 60 == 0 ? "${seconds / 60}m" : "${seconds}s",
        local.policy_texts[id][field],
      )
    }
  }

  policy_tags = {
    for id, key in local.keys : id => join("_", [for field in local.policy_fields[key.purpose] : local.policies[id][field]])
  }

  # What is wrong with a field by itself.
  malformed_policies = flatten([
    for id, key in local.keys : [
      for field, text in local.policy_texts[id] : (
        !contains(local.policy_fields[key.purpose], field) ?
        "${id}: ${field} is not part of the policy of ${key.purpose} keys" :
        field == "destroyAfter" && text == "never" ? "" :
        local.policy_seconds[id][field] == null ?
        "${id}: ${field} is not a duration: write a whole number and a unit, as in 90d, 24h, 5m or 30s" :
        length(local.policies[id][field]) > (contains(["jwksMaxAge", "clockSkew"], field) ? 4 : 5) ?
        "${id}: ${field} is finer than a policy can record: use a larger unit, or a rounder number" : ""
      )
    ]
  ])

  # What a policy cannot promise: see the section on policies in docs/rotation.md.
  broken_promises = flatten([
    for id, s in local.policy_seconds : concat(
      local.keys[id].purpose == "sign" ? [
        try(s.maxTokenLifetime < 1, false) ?
        "${id}: maxTokenLifetime < 1s: no token could be signed" : "",
        try(s.announcePeriod < max(s.signerMaxStale, s.publishLag + s.consumerCache) + 2 * s.clockSkew, false) ?
        "${id}: announcePeriod < max(signerMaxStale, publishLag + consumerCache) + 2 x clockSkew: a new version would sign before everyone who verifies can have it" : "",
        try(s.retentionPeriod < s.maxTokenLifetime + s.signerMaxStale + 3 * s.clockSkew, false) ?
        "${id}: retentionPeriod < maxTokenLifetime + signerMaxStale + 3 x clockSkew: tokens would outlive the version that signed them" : "",
        try(s.consumerCache < s.jwksMaxAge, false) ?
        "${id}: consumerCache < jwksMaxAge: consumers would be told to cache for longer than the policy counts on" : "",
        ] : [
        try(s.announcePeriod < local.longest_refresh + s.clockSkew, false) ?
        "${id}: announcePeriod < longest background refresh (6m) + clockSkew: a new version would encrypt before every keyring can have it" : "",
      ],
      [
        try(s.signerMaxStale < 1, false) ? "${id}: signerMaxStale < 1s: every keyring would be stale at once" : "",
        try(s.verifierMaxStale < 1, false) ? "${id}: verifierMaxStale < 1s: every keyring would be stale at once" : "",
        try(s.rotationPeriod < s.announcePeriod + 1, false) ?
        "${id}: rotationPeriod < announcePeriod + 1s: the next version would have to be announced before the current one is active" : "",
      ],
    )
  ])

  policy_problems = compact(concat(local.malformed_policies, local.broken_promises))
}
