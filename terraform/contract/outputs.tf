output "versions" {
  description = "The first version of each key, by purpose/name: what to create, and what it must bear."
  value = {
    for id, key in local.keys : id => {
      purpose     = key.purpose
      name        = key.name
      number      = 1
      reference   = local.names[id].reference
      algorithm   = key.algorithm
      content     = key.content
      tags        = local.tags[id]
      description = local.descriptions[id]
      aws         = merge({ alias = local.names[id].alias }, try(local.aws_specs[local.names[id].sized_algorithm], {}))
      gcp         = merge({ crypto_key_id = local.names[id].crypto_key_id }, try(local.gcp_algorithms[local.names[id].sized_algorithm], {}))
    }
  }

  precondition {
    condition     = length(local.algorithm_problems) == 0
    error_message = join("\n", local.algorithm_problems)
  }

  precondition {
    condition     = length(local.policy_problems) == 0
    error_message = join("\n", local.policy_problems)
  }
}

output "key_ring" {
  description = "The id of the environment's key ring in Google Cloud KMS."
  value       = "keyturn-${var.environment}"
}

output "policies" {
  description = "The policies that differ from the defaults, for `policy.keys` of the configuration."
  value       = { for id, key in local.keys : id => key.policy if length(key.policy) > 0 }
}

output "tag_names" {
  description = "The tags of Keyturn: those that a version is created with, and those that events write later."
  value       = local.tag_names
}
