# Names, tags and descriptions, byte for byte as src/key/tags.ts writes them.
locals {
  # By purpose/name: what a person types after `keyturn key show`.
  keys = {
    for entry, key in var.keys : "${key.purpose}/${coalesce(key.name, entry)}" => {
      purpose   = key.purpose
      name      = coalesce(key.name, entry)
      algorithm = coalesce(key.algorithm, lookup(local.default_algorithm, key.purpose, "none"))
      modulus_bits = key.modulus_bits != null ? key.modulus_bits : (
        contains(local.rsa, coalesce(key.algorithm, "none")) ? local.default_modulus_bits : null
      )
      content = key.purpose == "sign" ? coalesce(key.content, "jwt") : null
      policy  = key.policy
    }
  }

  # Their first version.
  names = {
    for id, key in local.keys : id => {
      reference     = "${var.environment}/${id}@1"
      alias         = "alias/keyturn/${var.environment}/${id}/v1"
      crypto_key_id = "${key.purpose}_${key.name}_v1"
      # How the tables of the clouds know the algorithm.
      sized_algorithm = key.modulus_bits == null ? key.algorithm : "${key.algorithm} ${key.modulus_bits}"
      algorithm_tag = join("_", compact([
        key.algorithm == "urn:keyturn:kms-wrap" ? "kms-wrap" : replace(lower(key.algorithm), "+", "_"),
        key.modulus_bits == null ? "" : tostring(key.modulus_bits),
      ]))
    }
  }

  tags = {
    for id, key in local.keys : id => merge(
      {
        keyturn-format       = "1"
        keyturn-environment  = var.environment
        keyturn-purpose      = key.purpose
        keyturn-name         = key.name
        keyturn-version      = "1"
        keyturn-algorithm    = local.names[id].algorithm_tag
        keyturn-activates-at = tostring(local.activates_at)
        keyturn-activation   = "first"
        keyturn-origin       = "generated"
        keyturn-policy       = local.policy_tags[id]
        keyturn-managed-by   = "terraform"
      },
      key.content == null ? {} : { keyturn-content = key.content },
    )
  }

  # What the tags say, once more, in a field that is written apart from them. Without managed-by, which changes.
  described = ["format", "algorithm", "activates-at", "activation", "origin", "policy", "content"]
  descriptions = {
    for id, tags in local.tags : id => join(" ", concat(
      ["keyturn", local.names[id].reference],
      [for tag in local.described : "${tag}=${tags["keyturn-${tag}"]}" if contains(keys(tags), "keyturn-${tag}")],
    ))
  }

  # An algorithm of the other purpose, of the other cloud, or of a size that the cloud lacks.
  algorithm_problems = compact([
    for id, key in local.keys : (
      !contains(lookup(local.algorithms, key.purpose, []), key.algorithm) ?
      "${id}: ${key.algorithm} is no algorithm of ${key.purpose} keys in a cloud: use one of ${join(", ", lookup(local.algorithms, key.purpose, []))}" :
      key.modulus_bits != null && !contains(local.rsa, key.algorithm) ?
      "${id}: ${key.algorithm} takes no choice of a modulus size" :
      !contains(keys(var.backend == "aws-kms" ? local.aws_specs : local.gcp_algorithms), local.names[id].sized_algorithm) ?
      "${id}: ${var.backend} has no ${local.names[id].sized_algorithm}" : ""
    )
  ])

  tag_names = {
    created = [
      "keyturn-format", "keyturn-environment", "keyturn-purpose", "keyturn-name", "keyturn-version",
      "keyturn-algorithm", "keyturn-activates-at", "keyturn-activation", "keyturn-origin", "keyturn-policy",
      "keyturn-content", "keyturn-managed-by",
    ]
    events = [
      "keyturn-postponed", "keyturn-advanced", "keyturn-suspended", "keyturn-resumed", "keyturn-compromised",
      "keyturn-destroyed", "keyturn-restored",
    ]
  }
}
