# What the contract refuses, so that no such key is ever created.

variables {
  backend     = "aws-kms"
  environment = "production"
  created_at  = "2026-01-31T12:00:00Z"
  keys        = { session-tokens = { purpose = "sign" } }
}

run "an_environment_in_capitals" {
  command         = plan
  expect_failures = [var.environment]
  variables {
    environment = "Production"
  }
}

run "an_environment_of_32_characters" {
  command         = plan
  expect_failures = [var.environment]
  variables {
    environment = "abcdefghijklmnopqrstuvwxyz-12345"
  }
}

run "a_name_with_an_underscore" {
  command         = plan
  expect_failures = [var.keys]
  variables {
    keys = { session_tokens = { purpose = "sign" } }
  }
}

run "a_purpose_that_is_none" {
  command         = plan
  expect_failures = [var.keys]
  variables {
    keys = { session-tokens = { purpose = "signing" } }
  }
}

run "one_key_named_twice" {
  command         = plan
  expect_failures = [var.keys]
  variables {
    keys = { orders = { purpose = "sign" }, again = { purpose = "sign", name = "orders" } }
  }
}

run "a_content_on_an_encryption_key" {
  command         = plan
  expect_failures = [var.keys]
  variables {
    keys = { customer-data = { purpose = "encrypt", content = "bytes" } }
  }
}

run "a_time_of_another_zone" {
  command         = plan
  expect_failures = [var.created_at]
  variables {
    created_at = "2026-01-31T12:00:00+01:00"
  }
}

run "a_day_that_does_not_exist" {
  command         = plan
  expect_failures = [var.created_at]
  variables {
    created_at = "2026-02-30T12:00:00Z"
  }
}

run "a_backend_that_is_none" {
  command         = plan
  expect_failures = [var.backend]
  variables {
    backend = "aws"
  }
}

run "an_encryption_algorithm_on_a_signing_key" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", algorithm = "RSA-OAEP-256" } }
  }
}

run "a_signing_algorithm_on_an_encryption_key" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { customer-data = { purpose = "encrypt", algorithm = "ES256" } }
  }
}

run "an_algorithm_that_no_cloud_wraps_with" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { customer-data = { purpose = "encrypt", algorithm = "A256KW" } }
  }
}

run "an_algorithm_that_only_the_other_cloud_has" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    backend = "gcp-kms"
    keys    = { session-tokens = { purpose = "sign", algorithm = "ES512" } }
  }
}

run "a_modulus_size_that_the_cloud_lacks" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", algorithm = "RS256", modulus_bits = 2047 } }
  }
}

run "a_modulus_size_of_a_curve" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", modulus_bits = 2048 } }
  }
}

run "a_policy_announced_too_late" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", policy = { announcePeriod = "30m" } } }
  }
}

run "a_policy_under_which_tokens_outlive_their_key" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", policy = { maxTokenLifetime = "24h" } } }
  }
}

run "a_policy_of_an_encryption_key_that_rotates_too_soon" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { customer-data = { purpose = "encrypt", policy = { rotationPeriod = "15m" } } }
  }
}

run "a_policy_with_a_misspelt_field" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", policy = { rotation_period = "90d" } } }
  }
}

run "a_policy_with_a_bare_number" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", policy = { rotationPeriod = "90" } } }
  }
}

run "a_policy_too_fine_to_record" {
  command         = plan
  expect_failures = [output.versions]
  variables {
    keys = { session-tokens = { purpose = "sign", policy = { rotationPeriod = "129601m" } } }
  }
}
