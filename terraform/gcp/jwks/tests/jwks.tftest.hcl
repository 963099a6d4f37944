mock_provider "google" {}

variables {
  project     = "acme-keys"
  location    = "EU"
  environment = "production"
  bucket      = "acme-jwks"
  publishers  = ["serviceAccount:publisher@acme-keys.iam.gserviceaccount.com"]
}

run "everybody_reads_and_nobody_lists" {
  command = plan

  assert {
    condition = (
      google_storage_bucket_iam_member.readers.member == "allUsers" &&
      google_storage_bucket_iam_member.readers.role == "roles/storage.legacyObjectReader"
    )
    error_message = "Everybody gets a document by its name, and no listing."
  }
  assert {
    condition     = google_storage_bucket.jwks.uniform_bucket_level_access
    error_message = "No object may have an access list of its own."
  }
  assert {
    condition     = one(google_storage_bucket.jwks.versioning).enabled
    error_message = "What was published stays."
  }
  assert {
    condition     = output.publish_to == "gs://acme-jwks" && output.base_url == "https://storage.googleapis.com/acme-jwks"
    error_message = "The outputs say where documents are."
  }
}

run "a_publisher_that_reaches_objects_of_one_bucket" {
  command = plan

  assert {
    condition = toset(google_project_iam_custom_role.publish.permissions) == toset([
      "storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list",
    ])
    error_message = "A publisher replaces documents, and changes neither the bucket nor who may read it."
  }
  assert {
    condition = toset([for binding in google_storage_bucket_iam_member.publishers : "${binding.bucket} ${binding.member}"]) == toset([
      "acme-jwks serviceAccount:publisher@acme-keys.iam.gserviceaccount.com",
    ])
    error_message = "The binding is on this bucket alone."
  }
}

run "a_role_of_a_dashed_environment" {
  command = plan
  variables {
    environment = "eu-production"
  }

  assert {
    condition     = google_project_iam_custom_role.publish.role_id == "keyturn_eu_production_jwks_publish"
    error_message = "The id of a role has no dashes."
  }
}

run "everybody_as_publisher" {
  command = plan
  variables {
    publishers = ["allUsers"]
  }
  expect_failures = [var.publishers]
}

run "a_bucket_that_is_a_domain" {
  command = plan
  variables {
    bucket = "jwks.example.com"
  }
  expect_failures = [var.bucket]
}
