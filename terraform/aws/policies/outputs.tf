output "roles" {
  description = "The IAM policy document of each role, as JSON: signer, verifier, encrypter, decrypter, publisher, rotator, custodian."
  value       = local.roles
}

output "key_policies" {
  description = "The key policy of each key, as JSON, by purpose/name."
  value       = { for id, statements in local.key_statements : id => jsonencode({ Version = "2012-10-17", Statement = statements }) }
}
