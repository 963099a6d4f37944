variables {
  backend     = "aws-kms"
  environment = "production"
  created_at  = "2026-01-31T12:00:00Z"
}

run "a_signing_key_with_nothing_but_a_purpose" {
  command = plan

  variables {
    keys = { session-tokens = { purpose = "sign" } }
  }

  assert {
    condition     = output.versions["sign/session-tokens"].aws.alias == "alias/keyturn/production/sign/session-tokens/v1"
    error_message = "The version alias is what makes a KMS key a version."
  }
  assert {
    condition     = output.versions["sign/session-tokens"].gcp.crypto_key_id == "sign_session-tokens_v1"
    error_message = "The id of the crypto key is what makes it a version."
  }
  assert {
    condition     = output.versions["sign/session-tokens"].aws.key_spec == "ECC_NIST_P256"
    error_message = "ES256 is the default of signing keys."
  }
  assert {
    condition     = output.versions["sign/session-tokens"].tags["keyturn-activates-at"] == "1769860800"
    error_message = "The tag counts the seconds since 1970."
  }
  assert {
    condition     = startswith(output.versions["sign/session-tokens"].description, "keyturn production/sign/session-tokens@1 format=1 ")
    error_message = "The description repeats the tags."
  }
}

run "an_encryption_key_is_wrapped_by_the_kms" {
  command = plan

  variables {
    keys = { customer-data = { purpose = "encrypt" } }
  }

  assert {
    condition     = output.versions["encrypt/customer-data"].aws.key_usage == "ENCRYPT_DECRYPT"
    error_message = "An encryption key must not sign."
  }
  assert {
    condition     = !contains(keys(output.versions["encrypt/customer-data"].tags), "keyturn-content")
    error_message = "Only signing keys have a content."
  }
}

run "one_name_for_both_purposes" {
  command = plan

  variables {
    keys = {
      orders      = { purpose = "sign" }
      orders-data = { purpose = "encrypt", name = "orders" }
    }
  }

  assert {
    condition     = toset(keys(output.versions)) == toset(["sign/orders", "encrypt/orders"])
    error_message = "A key is named by purpose and name together."
  }
}
