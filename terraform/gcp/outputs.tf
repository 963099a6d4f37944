output "keyturn_environment" {
  description = "A configuration file for Keyturn: terraform output -json keyturn_environment > keyturn.production.json"
  value = {
    environments = {
      (var.environment) = merge(
        {
          backend         = { kind = "gcp-kms", project = var.project, location = var.location, protectionLevel = var.protection_level }
          expectedProject = var.project
        },
        var.issuer == null ? {} : { issuer = var.issuer },
        length(module.contract.policies) == 0 ? {} : { policy = { keys = module.contract.policies } },
      )
    }
  }
}

output "crypto_key_ids" {
  description = "The crypto key of each first version, by purpose/name."
  value       = { for id, key in google_kms_crypto_key.first : id => key.id }
}
