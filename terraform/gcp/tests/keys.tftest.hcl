mock_provider "google" {}

variables {
  project     = "acme-keys"
  location    = "europe-west1"
  environment = "production"
  keys = {
    session-tokens = { purpose = "sign" }
    customer-data  = { purpose = "encrypt" }
  }
  members = { signer = ["serviceAccount:auth@acme.iam.gserviceaccount.com"] }
}

run "crypto_keys_in_the_ring_of_the_environment" {
  command = plan

  assert {
    condition     = google_kms_key_ring.environment.name == "keyturn-production"
    error_message = "The key ring is the environment's."
  }
  assert {
    condition     = google_kms_crypto_key.first["sign/session-tokens"].name == "sign_session-tokens_v1"
    error_message = "The name is what makes a crypto key a version."
  }
  assert {
    condition     = google_kms_crypto_key.first["encrypt/customer-data"].version_template[0].algorithm == "GOOGLE_SYMMETRIC_ENCRYPTION"
    error_message = "An encryption key is wrapped by the service."
  }
  assert {
    condition = jsonencode(output.keyturn_environment) == jsonencode({
      environments = {
        production = {
          backend         = { kind = "gcp-kms", project = "acme-keys", location = "europe-west1", protectionLevel = "SOFTWARE" }
          expectedProject = "acme-keys"
        }
      }
    })
    error_message = "The output is a configuration file."
  }
}

run "a_binding_is_for_one_purpose_in_one_key_ring" {
  command = plan

  assert {
    condition = (
      google_kms_key_ring_iam_member.keys["signer serviceAccount:auth@acme.iam.gserviceaccount.com"].condition[0].expression ==
      "resource.name.extract(\"/keyRings/keyturn-production/cryptoKeys/{purpose}_\") == \"sign\""
    )
    error_message = "A signer uses signing keys."
  }
  assert {
    condition = alltrue([
      for role in google_project_iam_custom_role.keys :
      !contains(role.permissions, "cloudkms.cryptoKeyVersions.useToSign") || !contains(role.permissions, "cloudkms.cryptoKeyVersions.useToDecrypt")
    ])
    error_message = "No role signs and decrypts."
  }
}

run "a_binding_can_be_for_one_key" {
  command = plan
  variables {
    names = ["session-tokens"]
  }

  assert {
    condition = (
      google_kms_key_ring_iam_member.keys["signer serviceAccount:auth@acme.iam.gserviceaccount.com"].condition[0].expression ==
      "resource.name.extract(\"/keyRings/keyturn-production/cryptoKeys/sign_{name}_v\") == \"session-tokens\""
    )
    error_message = "A signer of one key uses no other."
  }
}

run "a_role_that_is_none" {
  command         = plan
  expect_failures = [var.members]
  variables {
    members = { admin = ["user:me@example.com"] }
  }
}
