data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

module "contract" {
  source = "../contract"

  backend     = "aws-kms"
  environment = var.environment
  keys        = var.keys
  # The time of the apply, and not of the plan: a plan may be applied a day later, and Keyturn refuses a version that would be
  # active before its key exists. A minute ahead, since the key is made after this was read. Later applies ignore it.
  created_at = coalesce(var.created_at, timeadd(timestamp(), "1m"))
}

module "policies" {
  source = "./policies"

  environment = var.environment
  account_id  = data.aws_caller_identity.this.account_id
  region      = data.aws_region.this.region
  partition   = data.aws_partition.this.partition
  keys = {
    for id, version in module.contract.versions : id => {
      purpose  = version.purpose
      name     = version.name
      key_spec = version.aws.key_spec
    }
  }
}

locals {
  deletion_windows = {
    for entry, key in var.keys : "${key.purpose}/${coalesce(key.name, entry)}" => key.deletion_window_in_days
  }
}

# The first version of each key. Every later one is made by `keyturn rotate`, which copies its key policy.
resource "aws_kms_key" "first" {
  for_each = module.contract.versions

  customer_master_key_spec = each.value.aws.key_spec
  key_usage                = each.value.aws.key_usage
  description              = each.value.description
  deletion_window_in_days  = local.deletion_windows[each.key]
  policy                   = module.policies.key_policies[each.key]
  tags                     = merge(var.tags, each.value.tags)

  lifecycle {
    prevent_destroy = true
    # What Keyturn changes: an apply must not enable a compromised key again, nor take the tags of an event away. The
    # description repeats the time of creation, which is another one in every plan.
    ignore_changes = [is_enabled, tags, tags_all, description]
  }
}

# What makes the key a version. The pointer beside it, without /v1, is Keyturn's own.
resource "aws_kms_alias" "first" {
  for_each = module.contract.versions

  name          = each.value.aws.alias
  target_key_id = aws_kms_key.first[each.key].key_id

  lifecycle {
    prevent_destroy = true
    ignore_changes  = [target_key_id]
  }
}

resource "aws_iam_policy" "role" {
  for_each = module.policies.roles

  name        = "keyturn-${var.environment}-${each.key}"
  description = "Keyturn: what the ${each.key} may do with the keys of ${var.environment}"
  policy      = each.value
  tags        = var.tags
}
