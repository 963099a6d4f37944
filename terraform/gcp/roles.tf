# The seven roles. A custom role says what, and the condition of its binding says with which keys.
locals {
  reads = [
    "cloudkms.cryptoKeys.get", "cloudkms.cryptoKeyVersions.get", "cloudkms.cryptoKeyVersions.list",
    "cloudkms.cryptoKeyVersions.viewPublicKey",
  ]

  # With keys of these purposes.
  roles = {
    signer    = { purposes = ["sign"], permissions = ["cloudkms.cryptoKeyVersions.useToSign"] }
    verifier  = { purposes = ["sign"], permissions = ["cloudkms.cryptoKeyVersions.useToVerify"] }
    encrypter = { purposes = ["encrypt"], permissions = ["cloudkms.cryptoKeyVersions.useToEncrypt"] }
    decrypter = { purposes = ["encrypt"], permissions = ["cloudkms.cryptoKeyVersions.useToDecrypt"] }
    publisher = { purposes = ["sign"], permissions = [] }
    rotator   = { purposes = ["sign", "encrypt"], permissions = [] }
    custodian = {
      purposes = ["sign", "encrypt"]
      permissions = [
        "cloudkms.cryptoKeys.update", "cloudkms.cryptoKeyVersions.update", "cloudkms.cryptoKeyVersions.destroy",
        "cloudkms.cryptoKeyVersions.restore",
      ]
    }
  }

  # With the key ring itself, which has no part that a condition could name.
  ring_permissions = {
    for role in keys(local.roles) :
    role => role == "rotator" ? ["cloudkms.cryptoKeys.list", "cloudkms.cryptoKeys.create"] : ["cloudkms.cryptoKeys.list"]
  }

  # Compares what stands between /cryptoKeys/ and the version, whether the project is written by its id or its number.
  under = "/keyRings/${module.contract.key_ring}/cryptoKeys/"
  conditions = {
    for role, granted in local.roles : role => join(" || ", flatten([
      for purpose in granted.purposes : length(var.names) == 0 ?
      ["resource.name.extract(\"${local.under}{purpose}_\") == \"${purpose}\""] :
      [for name in var.names : "resource.name.extract(\"${local.under}${purpose}_{name}_v\") == \"${name}\""]
    ]))
  }

  bindings = merge([
    for role, members in var.members : { for member in members : "${role} ${member}" => { role = role, member = member } }
  ]...)
}

resource "google_project_iam_custom_role" "keys" {
  for_each = local.roles

  project     = var.project
  role_id     = "keyturn_${replace(var.environment, "-", "_")}_${each.key}"
  title       = "Keyturn ${each.key} of ${var.environment}"
  permissions = concat(local.reads, each.value.permissions)
}

resource "google_project_iam_custom_role" "ring" {
  for_each = local.ring_permissions

  project     = var.project
  role_id     = "keyturn_${replace(var.environment, "-", "_")}_${each.key}_ring"
  title       = "Keyturn ${each.key} of ${var.environment}: the key ring"
  permissions = each.value
}

resource "google_kms_key_ring_iam_member" "keys" {
  for_each = local.bindings

  key_ring_id = google_kms_key_ring.environment.id
  role        = google_project_iam_custom_role.keys[each.value.role].name
  member      = each.value.member

  condition {
    title      = "keyturn-${each.value.role}"
    expression = local.conditions[each.value.role]
  }
}

resource "google_kms_key_ring_iam_member" "ring" {
  for_each = local.bindings

  key_ring_id = google_kms_key_ring.environment.id
  role        = google_project_iam_custom_role.ring[each.value.role].name
  member      = each.value.member
}
