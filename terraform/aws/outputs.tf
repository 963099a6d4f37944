output "keyturn_environment" {
  description = "A configuration file for Keyturn: terraform output -json keyturn_environment > keyturn.production.json"
  value = {
    environments = {
      (var.environment) = merge(
        {
          backend = merge(
            { kind = "aws-kms", region = data.aws_region.this.region },
            var.role_arn == null ? {} : { roleArn = var.role_arn },
          )
          expectedAccount = data.aws_caller_identity.this.account_id
        },
        var.issuer == null ? {} : { issuer = var.issuer },
        length(module.contract.policies) == 0 ? {} : { policy = { keys = module.contract.policies } },
      )
    }
  }
}

output "role_policy_arns" {
  description = "The managed policy of each role: attach it to whoever has the role."
  value       = { for role, policy in aws_iam_policy.role : role => policy.arn }
}

output "key_arns" {
  description = "The key of each first version, by purpose/name."
  value       = { for id, key in aws_kms_key.first : id => key.arn }
}
