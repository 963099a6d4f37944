module "contract" {
  source = "../contract"

  backend     = "gcp-kms"
  environment = var.environment
  keys        = var.keys
  # The time of the apply, and not of the plan, which may be applied a day later. Later applies ignore it.
  created_at = coalesce(var.created_at, timeadd(timestamp(), "1m"))
}

locals {
  durations = {
    for entry, key in var.keys : "${key.purpose}/${coalesce(key.name, entry)}" => key.destroy_scheduled_duration
  }
}

resource "google_kms_key_ring" "environment" {
  project  = var.project
  location = var.location
  name     = module.contract.key_ring

  lifecycle {
    prevent_destroy = true
  }
}

# The first version of each key: one crypto key, whose own first version is the only one that is ever used. Every later version
# is made by `keyturn rotate`.
resource "google_kms_crypto_key" "first" {
  for_each = module.contract.versions

  key_ring                   = google_kms_key_ring.environment.id
  name                       = each.value.gcp.crypto_key_id
  purpose                    = each.value.gcp.purpose
  destroy_scheduled_duration = local.durations[each.key]
  labels                     = merge(var.labels, each.value.tags)

  version_template {
    algorithm        = each.value.gcp.algorithm
    protection_level = var.protection_level
  }

  lifecycle {
    prevent_destroy = true
    # What Keyturn changes: an apply must not take the labels of an event away. They also hold the time of creation, which
    # is another one in every plan.
    ignore_changes = [labels]
  }
}
