# The conditions that the statements of the roles and of the key policies are made of.
locals {
  arn      = "arn:${var.partition}:kms:${var.region}:${var.account_id}"
  any_key  = "${local.arn}:key/*"
  identity = ["format", "environment", "purpose", "name", "version", "algorithm", "activates-at", "activation", "origin", "policy", "content"]

  # Tags that say what a version is. Whoever could write them could carry a key through both walls.
  identity_tags = [for tag in local.identity : "keyturn-${tag}"]
  # Tags that a rotation writes, and those that also stop a version, or start it again.
  scheduling_tags = ["keyturn-postponed", "keyturn-advanced"]
  event_tags = concat(local.scheduling_tags, [
    "keyturn-suspended", "keyturn-resumed", "keyturn-compromised", "keyturn-destroyed", "keyturn-restored",
  ])

  usages = { sign = ["SIGN_VERIFY", "GENERATE_VERIFY_MAC"], encrypt = ["ENCRYPT_DECRYPT"] }

  named = length(var.names) == 0 ? {} : { "aws:ResourceTag/keyturn-name" = var.names }

  # Keys of one purpose in the environment, by their tags and by what AWS itself says of them.
  own = {
    for purpose, usages in local.usages : purpose => merge(local.named, {
      "aws:ResourceTag/keyturn-environment" = [var.environment]
      "aws:ResourceTag/keyturn-purpose"     = [purpose]
      "kms:KeyUsage"                        = usages
    })
  }
  own_any = merge(local.named, { "aws:ResourceTag/keyturn-environment" = [var.environment] })

  # Tags may take five minutes until they authorise. A key that was made a moment ago, and one without tags, pass; a key
  # that bears the tag of another environment does not.
  own_or_new = local.own_any

  not_compromised = { "aws:ResourceTag/keyturn-compromised" = "true" }

  # What Keyturn binds each data key to.
  context = merge(
    {
      "kms:EncryptionContext:keyturn-environment" = [var.environment]
      "kms:EncryptionContext:keyturn-purpose"     = ["encrypt"]
    },
    length(var.names) == 0 ? {} : { "kms:EncryptionContext:keyturn-name" = var.names },
  )
  context_keys = ["keyturn-environment", "keyturn-purpose", "keyturn-name", "keyturn-version"]
  whole_context = {
    "kms:EncryptionContext:keyturn-name"    = "false"
    "kms:EncryptionContext:keyturn-version" = "false"
  }

  # A name holds no /, so the pointer of one key is never the version alias of another.
  aliases_under = [for purpose in ["sign", "encrypt"] : "${local.arn}:alias/keyturn/${var.environment}/${purpose}"]
  aliases = flatten([
    for under in local.aliases_under : length(var.names) == 0 ? ["${under}/*"] : flatten([
      for name in var.names : ["${under}/${name}", "${under}/${name}/v*"]
    ])
  ])
  version_aliases = ["${local.arn}:alias/keyturn/*/*/*/v*"]
  adoption_claims = ["${local.arn}:alias/keyturn-adopted/*"]

  # What a version must bear from the call that creates it.
  created_whole = {
    for tag in local.identity_tags : "aws:RequestTag/${tag}" => "false" if tag != "keyturn-content"
  }
  created_here = merge(
    { "aws:RequestTag/keyturn-environment" = [var.environment] },
    length(var.names) == 0 ? {} : { "aws:RequestTag/keyturn-name" = var.names },
  )
}
